-- One row per person with an order, an exchange or an unlinked return by the end of as_of. Spend of 90 and 365 days, and to date, is
-- NULL where there are some of those days and no rate is known of any, 0 where there are none.
SELECT
    person_no,
    count(CASE WHEN is_order THEN 1 END) AS orders_total,
    count(CASE WHEN is_order AND ordered_on > $days_90 THEN 1 END) AS orders_90d,
    count(CASE WHEN is_order AND ordered_on > $days_365 THEN 1 END) AS orders_365d,
    count(CASE WHEN is_order AND is_kept THEN 1 END) AS orders_kept,
    count(CASE WHEN is_order AND is_worth THEN 1 END) AS bought_total,
    count(CASE WHEN is_order AND is_worth AND ordered_on > $days_365 THEN 1 END) AS bought_365d,
    sum(spend) AS spend_total,
    CASE WHEN max(ordered_on) > $days_90 THEN sum(spend) FILTER (WHERE ordered_on > $days_90) ELSE 0 END AS spend_90d,
    CASE WHEN max(ordered_on) > $days_365 THEN sum(spend) FILTER (WHERE ordered_on > $days_365) ELSE 0 END AS spend_365d,
    min(ordered_on) FILTER (WHERE is_order) AS first_order_on,
    max(ordered_on) FILTER (WHERE is_order) AS last_order_on,
    count(CASE WHEN is_order AND ordered_on > $days_365 AND local_at IS NOT NULL THEN 1 END) AS timed_orders,
    count(CASE
        WHEN is_order AND ordered_on > $days_365 AND (extract(hour FROM local_at) >= 22 OR extract(hour FROM local_at) < 4) THEN 1
    END) AS late_orders
FROM (
    SELECT person_no, ordered_on, local_at, is_order, is_worth, is_kept, spend FROM paid_orders_held
    UNION ALL
    SELECT person_no, ordered_on, CAST(NULL AS TIMESTAMP), FALSE, FALSE, FALSE, spend FROM loose_returns
) AS moved
GROUP BY person_no
