-- One row per kind of record: how many are not with the largest part of their person.
SELECT j.kind, count(*) AS records, count(*) FILTER (WHERE j.profile_id IS NULL OR j.profile_id <> m.profile_id) AS missed
FROM judged AS j
LEFT JOIN (
    SELECT person_id, profile_id
    FROM (
        SELECT person_id, profile_id, row_number() OVER (PARTITION BY person_id ORDER BY count(*) DESC, profile_id) AS place
        FROM judged
        WHERE profile_id IS NOT NULL
        GROUP BY person_id, profile_id
    ) AS parts
    WHERE place = 1
) AS m ON m.person_id = j.person_id
GROUP BY j.kind
ORDER BY j.kind
