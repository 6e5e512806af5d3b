-- One row per thing of a person given back that names no order, with what it takes off: spend that is of no order.
SELECT
    r.profile_id, o.person_no, 'spend without order' AS name, 'loose' AS told_by, o.ordered_at AS occurred_at,
    o.ordered_on AS occurred_on, o.source, o.spend AS amount, o.order_key
FROM loose_returns AS o
LEFT JOIN people AS r ON r.person_no = o.person_no
WHERE o.ordered_on >= $since
