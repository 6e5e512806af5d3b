-- One row per person of the day, numbered in the order of ids: what many rows are grouped by, and stored in the order of.
SELECT profile_id, CAST(row_number() OVER (ORDER BY profile_id) AS INTEGER) AS person_no
FROM traits
