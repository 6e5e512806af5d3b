-- One row per person who ever bought, ranked by spend to date.
SELECT person_no, cume_dist() OVER (ORDER BY spend_total) AS spend_percentile
FROM order_facts
WHERE bought_total > 0
