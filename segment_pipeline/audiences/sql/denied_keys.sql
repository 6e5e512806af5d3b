-- One row per leaving key that explicit denials, suppressions or erasures take out, with the strongest reason: an identifier in
-- it is blocked, or an owner is.
SELECT key, min(reason) AS reason
FROM (
    SELECT l.key, b.reason
    FROM leaving_held_long AS l
    JOIN blocked_as_sent AS b ON b.carries = l.carries
    UNION ALL
    SELECT o.key, p.reason
    FROM leaving_owners AS o
    JOIN blocked_people AS p ON p.profile_id = o.profile_id
)
GROUP BY key
