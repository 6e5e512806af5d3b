-- One row per order of a person that moves money: a completed sale on its day; what an exchange sold and what an unlinked
-- return gave back, on their own day, as no order.
SELECT person_no, ordered_on, local_at, 1 AS orders, revenue
FROM person_sales
UNION ALL
SELECT
    person_no, ordered_on, CAST(NULL AS TIMESTAMP), 0,
    CAST(bought + CASE WHEN linked THEN 0 ELSE returned END AS DECIMAL(18,4))
FROM return_parts
WHERE person_no IS NOT NULL
