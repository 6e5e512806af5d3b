-- One row per person with an order or an unlinked return by the end of as_of.
SELECT
    person_no,
    count(CASE WHEN orders = 1 THEN 1 END) AS orders_total,
    count(CASE WHEN orders = 1 AND ordered_on > $days_90 THEN 1 END) AS orders_90d,
    count(CASE WHEN orders = 1 AND ordered_on > $days_365 THEN 1 END) AS orders_365d,
    coalesce(sum(revenue), 0) AS spend_total,
    coalesce(sum(revenue) FILTER (WHERE ordered_on > $days_90), 0) AS spend_90d,
    coalesce(sum(revenue) FILTER (WHERE ordered_on > $days_365), 0) AS spend_365d,
    min(ordered_on) FILTER (WHERE orders = 1) AS first_order_on,
    max(ordered_on) FILTER (WHERE orders = 1) AS last_order_on,
    count(CASE WHEN orders = 1 AND ordered_on > $days_365 AND local_at IS NOT NULL THEN 1 END) AS timed_orders,
    count(CASE
        WHEN orders = 1 AND ordered_on > $days_365 AND (extract(hour FROM local_at) >= 22 OR extract(hour FROM local_at) < 4) THEN 1
    END) AS late_orders
FROM order_money
GROUP BY person_no
