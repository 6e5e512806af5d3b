-- One row per record known in both snapshots: whose it was, whose it is.
SELECT n.source, n.entity, n.record_key, b.profile_id AS was, n.profile_id AS now_is
FROM identities_now AS n
JOIN identities_before AS b ON b.source = n.source AND b.entity = n.entity AND b.record_key = n.record_key
