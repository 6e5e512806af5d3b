-- One row per candidate: what speaks against the person (NULL: nothing), and which of their identifiers a consent covers.
SELECT
    m.profile_id,
    CASE
        WHEN b.reason = 1 THEN 'erased'
        WHEN b.reason = 2 THEN 'suppressed'
        WHEN p.denied OR NOT coalesce(p.any_granted, FALSE) THEN 'no_consent'
    END AS reason,
    p.granted,
    p.account_granted,
    p.granted_kinds
FROM candidates AS m
LEFT JOIN suppressed_people AS b ON b.profile_id = m.profile_id
LEFT JOIN person_consent AS p ON p.profile_id = m.profile_id
