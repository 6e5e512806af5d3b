-- One row per thing of a person given back that names no order, as a line with what it takes off.
SELECT
    r.person_no, coalesce(p.class_no, 0) AS class_no, r.spend, r.ordered_on > $days_365 AS recent, FALSE AS kept_recent, FALSE AS sold,
    FALSE AS markdown_recent, FALSE AS dated, FALSE AS fresh
FROM loose_returns AS r
LEFT JOIN product_classes AS p ON p.product_no = r.product_no
