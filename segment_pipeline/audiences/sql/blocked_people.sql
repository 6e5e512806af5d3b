-- One row per person who must not be sent to at all in this channel, with the strongest reason.
-- A suppression of one channel takes out an identifier; one of every channel (`*`), or an erasure, the person.
SELECT profile_id, min(reason) AS reason
FROM (
    SELECT k.profile_id, CASE WHEN s.reason = 'erased' THEN 1 ELSE 2 END AS reason
    FROM known_identifiers AS k
    JOIN suppressions AS s
        ON k.standing <> 'shared'
        AND s.identifier_type = k.identifier_type
        AND s.identifier = k.identifier
        AND (s.channel = '*' OR s.reason = 'erased')
    UNION ALL
    SELECT profile_id, 3 AS reason
    FROM person_consent
    WHERE denied
)
GROUP BY profile_id
