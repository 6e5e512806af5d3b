-- One row per value: the oldest record that carries it, how many do, and why it links nobody
-- (`refusal`; NULL: it may link). People are counted as customers, and as guests told apart by their other identifier.
SELECT
    c.value_no, n.identifier_type, c.hub, c.records,
    CASE
        WHEN b.reason IS NOT NULL THEN b.reason
        WHEN c.customers + coalesce(g.companions, 0) > l.people THEN 'limit'
        WHEN c.accounts = 0 AND c.guests > $guest_limit AND n.identifier_type IN ('email', 'phone') THEN 'limit_guests'
    END AS refusal
FROM (
    SELECT
        value_no,
        min(record_no) AS hub,
        count(*) AS records,
        count(CASE WHEN entity IN ('customer', 'loyalty') THEN 1 END) AS accounts,
        count(CASE WHEN entity IN ('order', 'cart') THEN 1 END) AS guests,
        count(CASE WHEN entity = 'customer' THEN 1 END) AS customers
    FROM identifiers
    GROUP BY value_no
) AS c
JOIN numbered_values AS n ON n.value_no = c.value_no
LEFT JOIN guest_companions AS g ON g.value_no = c.value_no
LEFT JOIN people_limits AS l ON l.identifier_type = n.identifier_type
LEFT JOIN blocked_identifiers AS b ON b.value_no = c.value_no
