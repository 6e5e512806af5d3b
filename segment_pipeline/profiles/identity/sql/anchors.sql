-- One row per living profile_id that is asked for, and its anchor record.
SELECT n.source, n.entity, n.record_key, n.profile_id
FROM identities_newest AS n
JOIN asked_for AS a ON a.profile_id = n.profile_id
WHERE substr(sha256(concat_ws('|', n.source, n.entity, n.record_key)), 1, 32) = n.profile_id
