-- One row per person with a suppressed identifier for which they must not be sent to at all, with the strongest reason (1 erased,
-- 2 suppressed). A suppression of one channel takes out an identifier; one of every channel (`*`), or an erasure, the person.
SELECT k.profile_id, min(CASE WHEN s.reason = 'erased' THEN 1 ELSE 2 END) AS reason
FROM known_identifiers AS k
JOIN suppressions AS s
    ON k.standing <> 'shared'
    AND s.identifier_type = k.identifier_type
    AND s.identifier = k.identifier
    AND (s.channel = '*' OR s.reason = 'erased')
GROUP BY k.profile_id
