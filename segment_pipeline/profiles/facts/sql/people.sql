-- One row per person, numbered within the session in the order of ids: what many rows are grouped by.
SELECT profile_id, CAST(row_number() OVER (ORDER BY profile_id) AS INTEGER) AS person_no
FROM (SELECT DISTINCT profile_id FROM persons) AS known
