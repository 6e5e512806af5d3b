-- One row per line of goods of a person by the end of as_of, what was given back for it off: sold lines on the sale's day,
-- returned lines on the day of the order they give back, or their own where none is named. `spend` NULL: no rate.
-- Of orders whose versions are stored under these days: their lines are as well.
SELECT
    person_no, class_no, spend,
    ordered_on > $days_365 AS recent,
    ordered_on > $days_365 AND sold AS sold_recent,
    ordered_on > $days_365 AND sold AND is_markdown AS markdown_recent,
    ordered_on > $days_365 AND sold AND launched_on IS NOT NULL AS dated,
    ordered_on > $days_365 AND sold AND date_diff('day', launched_on, ordered_on) <= $new_arrival_days AS fresh
FROM (
    SELECT
        CASE WHEN l.net < 0 THEN g.given_by ELSE g.person_no END AS person_no,
        CASE WHEN l.net < 0 THEN g.given_on ELSE g.ordered_on END AS ordered_on,
        coalesce(p.class_no, 0) AS class_no,
        p.launched_on,
        g.sold,
        l.is_markdown,
        CASE WHEN r.order_key IS NULL THEN l.net_base ELSE CAST(l.net_base - r.refunded AS DECIMAL(18,4)) END AS spend
    FROM order_lines AS l
    JOIN goods_orders AS g ON g.source = l.source AND g.order_key = l.order_key AND g.updated_at = l.updated_at
    LEFT JOIN product_classes AS p ON p.source = l.source AND p.product_key = l.product_key
    -- NULL where nothing was given back, which is most of them: those are not looked up.
    LEFT JOIN line_refunds AS r
        ON r.order_key = CASE WHEN g.refunded_lines THEN l.order_key END
        AND r.source = l.source
        AND r.line_number = l.line_number
    WHERE l.day BETWEEN $first AND $last AND g.day BETWEEN $first AND $last
) AS lines
WHERE person_no IS NOT NULL
