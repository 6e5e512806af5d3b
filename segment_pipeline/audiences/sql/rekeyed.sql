-- One row per added or leaving key whose owner stays in the audience under another key: a changed address, not a leave.
SELECT DISTINCT c.key
FROM owned_changes AS c
JOIN (
    SELECT profile_id, 'added' AS other FROM owned_changes WHERE change = 'leaving'
    UNION ALL
    SELECT o.profile_id, 'leaving' AS other
    FROM (SELECT unnest(owners) AS profile_id FROM desired) AS o
) AS s ON s.profile_id = c.profile_id AND s.other = c.change
