-- One row per person: the sources that know them, sorted.
SELECT person_no, list_sort(array_agg(source)) AS sources
FROM (SELECT DISTINCT person_no, source FROM activity_persons) AS known
GROUP BY person_no
