-- One row per person: the sources that know them, sorted.
SELECT person_no, list_sort(array_agg(source)) AS sources
FROM (
    SELECT DISTINCT w.person_no, p.source
    FROM persons AS p
    JOIN people AS w ON w.profile_id = p.profile_id
) AS known
GROUP BY person_no
