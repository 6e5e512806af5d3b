-- One row per record whose person is another than in the snapshot before.
SELECT b.profile_id AS was, n.profile_id AS now_is
FROM identities_now AS n
JOIN identities_before AS b ON b.source = n.source AND b.entity = n.entity AND b.record_key = n.record_key
WHERE b.profile_id <> n.profile_id
