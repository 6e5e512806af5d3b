-- One row: how many keys of `denials_left` explicit denials were to take out, and when the oldest of those denials was said
-- (NULL: none, or not known whose).
SELECT count(*) AS keys, min(w.said_at) AS since
FROM (
    SELECT l.key, min(s.said_at) AS said_at
    FROM denials_left AS l
    LEFT JOIN leaving_owners AS o ON o.key = l.key
    LEFT JOIN (
        SELECT profile_id, withheld_at AS said_at
        FROM person_consent
        WHERE withheld_at IS NOT NULL
        UNION ALL
        SELECT k.profile_id, s.recorded_at AS said_at
        FROM known_identifiers AS k
        JOIN suppressions AS s ON s.identifier_type = k.identifier_type AND s.identifier = k.identifier
        WHERE s.channel IN ('*', $channel) OR s.reason = 'erased'
    ) AS s ON s.profile_id = o.profile_id
    GROUP BY l.key
) AS w
