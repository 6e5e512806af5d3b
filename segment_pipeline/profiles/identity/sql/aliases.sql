-- One row per profile_id that was published and is not produced at the newest as_of: who stands for the same person now.
-- Flat: an heir is always a living id. Ids whose snapshots are gone keep what was known of them, pointed at today's heir.
SELECT old_profile_id, new_profile_id, CAST(since AS DATE) AS since, cause
FROM lost_heirs
UNION ALL
SELECT old_profile_id, new_profile_id, since, cause
FROM (
    SELECT a.old_profile_id, coalesce(f.profile_id, h.new_profile_id) AS new_profile_id, a.since, a.cause
    FROM aliases_before AS a
    LEFT JOIN anchors AS f ON f.profile_id = a.new_profile_id
    LEFT JOIN lost_heirs AS h ON h.old_profile_id = a.new_profile_id
    LEFT JOIN anchors AS again ON again.profile_id = a.old_profile_id
    LEFT JOIN (SELECT DISTINCT old_profile_id FROM lost_members) AS l ON l.old_profile_id = a.old_profile_id
    WHERE again.profile_id IS NULL AND l.old_profile_id IS NULL
) AS kept
WHERE new_profile_id IS NOT NULL
