-- One row per person, numbered within the session: what many rows are grouped by.
SELECT profile_id, row_number() OVER (ORDER BY profile_id) AS person_no
FROM (SELECT DISTINCT profile_id FROM persons) AS known
