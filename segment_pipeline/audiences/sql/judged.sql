-- One row per candidate with the first reason they may not be sent to; NULL: nothing speaks against it so far.
SELECT
    m.profile_id,
    CASE
        WHEN b.reason = 1 THEN 'erased'
        WHEN b.reason = 2 THEN 'suppressed'
        WHEN b.reason = 3 THEN 'no_consent'
        WHEN NOT coalesce(p.any_granted, FALSE) THEN 'no_consent'
        WHEN i.sendable > 0 THEN NULL
        WHEN i.suppressed > 0 THEN 'suppressed'
        WHEN i.refused > 0 THEN 'no_consent'
        ELSE 'no_identifier'
    END AS reason
FROM candidates AS m
LEFT JOIN blocked_people AS b ON b.profile_id = m.profile_id
LEFT JOIN person_consent AS p ON p.profile_id = m.profile_id
LEFT JOIN (
    SELECT
        profile_id,
        sum(CASE WHEN refusal IS NULL AND alone THEN 1 ELSE 0 END) AS sendable,
        sum(CASE WHEN refusal IN ('suppressed', 'erased') THEN 1 ELSE 0 END) AS suppressed,
        sum(CASE WHEN refusal IS NOT NULL THEN 1 ELSE 0 END) AS refused
    FROM member_identifiers
    GROUP BY profile_id
) AS i ON i.profile_id = m.profile_id
