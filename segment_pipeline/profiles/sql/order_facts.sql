-- One row per person with an order or an unlinked return by the end of as_of.
SELECT
    person_no,
    sum(orders) AS orders_total,
    sum(orders) FILTER (WHERE ordered_on > $days_90) AS orders_90d,
    sum(orders) FILTER (WHERE ordered_on > $days_365) AS orders_365d,
    coalesce(sum(revenue), 0) AS spend_total,
    coalesce(sum(revenue) FILTER (WHERE ordered_on > $days_90), 0) AS spend_90d,
    coalesce(sum(revenue) FILTER (WHERE ordered_on > $days_365), 0) AS spend_365d,
    min(ordered_on) FILTER (WHERE orders = 1) AS first_order_on,
    max(ordered_on) FILTER (WHERE orders = 1) AS last_order_on,
    sum(orders) FILTER (WHERE ordered_on > $days_365 AND local_at IS NOT NULL) AS timed_orders,
    sum(orders) FILTER (
        WHERE ordered_on > $days_365 AND (extract(hour FROM local_at) >= 22 OR extract(hour FROM local_at) < 4)
    ) AS late_orders
FROM order_money
GROUP BY person_no
