-- One row per (person, dimension, value): money spent on it in the 365 days to as_of and to date.
SELECT profile_id, 'department' AS dimension, department AS value, sum(spend_365d) AS spend_365d, sum(spend_total) AS spend_total
FROM line_groups WHERE department IS NOT NULL GROUP BY profile_id, department
UNION ALL
SELECT profile_id, 'category', category, sum(spend_365d), sum(spend_total)
FROM line_groups WHERE category IS NOT NULL GROUP BY profile_id, category
UNION ALL
SELECT profile_id, 'collection', collection, sum(spend_365d), sum(spend_total)
FROM line_groups WHERE collection IS NOT NULL GROUP BY profile_id, collection
