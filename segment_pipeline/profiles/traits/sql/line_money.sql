-- One row per line of goods sold to a person by the end of as_of, with the net of what is kept of it (NULL: no rate).
-- Of orders whose versions are stored under these days: their lines are as well.
SELECT
    k.person_no,
    coalesce(p.class_no, 0) AS class_no,
    k.net_kept AS spend,
    k.ordered_on > $days_365 AS recent,
    k.ordered_on > $days_365 AND k.is_line_kept AS kept_recent,
    TRUE AS sold,
    k.ordered_on > $days_365 AND k.is_markdown AS markdown_recent,
    k.ordered_on > $days_365 AND k.is_line_kept AND p.launched_on IS NOT NULL AS dated,
    k.ordered_on > $days_365 AND k.is_line_kept AND date_diff('day', p.launched_on, k.ordered_on) <= $new_arrival_days AS fresh
FROM kept_lines AS k
LEFT JOIN product_classes AS p ON p.product_no = k.product_no
WHERE k.line_day BETWEEN $first AND $last AND k.day BETWEEN $first AND $last
