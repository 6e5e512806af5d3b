-- One row per held key that explicit denials, suppressions or erasures take out, with the strongest reason.
-- Either an identifier in it is blocked, or an owner is and nobody else desires the key.
SELECT key, min(reason) AS reason
FROM (
    SELECT l.key, b.reason
    FROM held_long AS l
    JOIN blocked_as_sent AS b ON b.carries = l.carries
    UNION ALL
    SELECT o.key, p.reason
    FROM (
        SELECT h.key, coalesce(a.new_profile_id, h.profile_id) AS profile_id
        FROM (SELECT key, unnest(owners) AS profile_id FROM audience_members WHERE state <> 'rejected') AS h
        LEFT JOIN profile_aliases AS a ON a.old_profile_id = h.profile_id
    ) AS o
    JOIN blocked_people AS p ON p.profile_id = o.profile_id
    LEFT JOIN desired AS d ON d.key = o.key
    WHERE d.key IS NULL
)
GROUP BY key
