-- One row per candidate: the id tools that key on ours know them by. It stays the id first sent when an alias takes its place.
SELECT
    m.profile_id,
    'external_id' AS identifier_type,
    coalesce(min(h.sent), m.profile_id) AS identifier,
    CAST(NULL AS TIMESTAMPTZ) AS last_seen_at
FROM candidates AS m
LEFT JOIN (
    SELECT coalesce(a.new_profile_id, x.sent) AS profile_id, x.sent
    FROM (SELECT DISTINCT sent FROM sent_external_ids WHERE sent IS NOT NULL) AS x
    LEFT JOIN profile_aliases AS a ON a.old_profile_id = x.sent
) AS h ON h.profile_id = m.profile_id
GROUP BY m.profile_id
