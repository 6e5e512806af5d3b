-- One row per lost profile_id that has an heir: whoever holds its anchor now; if nobody does, whoever holds most of its
-- records. `since`: the first snapshot without the id.
SELECT
    h.old_profile_id, h.new_profile_id,
    coalesce(s.since, $newest) AS since,
    CASE
        WHEN h.anchored AND k.profile_id IS NOT NULL THEN 'merge'
        WHEN h.anchored THEN 'history'
        WHEN h.anchor_gone THEN 'erasure'
        ELSE 'split'
    END AS cause
FROM (
    SELECT
        m.old_profile_id, m.last_on, n.profile_id AS new_profile_id,
        bool_or(m.is_anchor) AS anchored,
        bool_or(g.old_profile_id IS NOT NULL) AS anchor_gone,
        row_number() OVER (
            PARTITION BY m.old_profile_id ORDER BY bool_or(m.is_anchor) DESC, count(*) DESC, n.profile_id
        ) AS place
    FROM lost_members AS m
    JOIN identities_newest AS n ON n.source = m.source AND n.entity = m.entity AND n.record_key = m.record_key
    LEFT JOIN (
        SELECT a.old_profile_id
        FROM lost_members AS a
        LEFT JOIN records AS r ON r.source = a.source AND r.entity = a.entity AND r.record_key = a.record_key
        WHERE a.is_anchor AND r.record_key IS NULL AND a.last_on <= $as_of
    ) AS g ON g.old_profile_id = m.old_profile_id
    GROUP BY m.old_profile_id, m.last_on, n.profile_id
) AS h
JOIN anchors AS a ON a.profile_id = h.new_profile_id
LEFT JOIN (
    SELECT DISTINCT p.as_of, a.profile_id
    FROM past_identities AS p
    JOIN anchors AS a ON a.source = p.source AND a.entity = p.entity AND a.record_key = p.record_key
) AS k ON k.as_of = h.last_on AND k.profile_id = h.new_profile_id
LEFT JOIN (
    SELECT l.last_on, min(d.as_of) AS since
    FROM (SELECT DISTINCT last_on FROM lost_members) AS l
    JOIN identity_days AS d ON d.as_of > l.last_on
    GROUP BY l.last_on
) AS s ON s.last_on = h.last_on
WHERE h.place = 1
