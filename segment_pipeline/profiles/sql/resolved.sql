-- One row per record that belongs to a person: the person's profile_id is the digest of the oldest of their records.
SELECT
    g.record_no, r.source, r.entity, r.record_key, r.class, r.created_at,
    substr(sha256(concat_ws('|', a.source, a.entity, a.record_key)), 1, 32) AS profile_id,
    a.created_at AS anchored_at
FROM (
    SELECT record_no, min(record_no) OVER (PARTITION BY group_no) AS anchor_no
    FROM (
        SELECT record_no, group_no FROM strong_groups
        UNION ALL
        SELECT w.record_no, coalesce(d.group_no, d.oldest_no) AS group_no
        FROM weak_records AS w
        JOIN devices AS d ON d.anonymous_id = w.anonymous_id
        WHERE d.refusal IS NULL
    ) AS grouped
) AS g
JOIN records AS r ON r.record_no = g.record_no
JOIN records AS a ON a.record_no = g.anchor_no
