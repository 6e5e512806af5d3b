-- One row per record known in both snapshots that is or was one of a person concerned: whose it was, whose it is.
SELECT n.source, n.entity, n.record_key, b.profile_id AS was, n.profile_id AS now_is
FROM identities_now AS n
JOIN concerned AS x ON x.profile_id = n.profile_id
JOIN identities_before AS b ON b.source = n.source AND b.entity = n.entity AND b.record_key = n.record_key
UNION
SELECT n.source, n.entity, n.record_key, b.profile_id, n.profile_id
FROM identities_before AS b
JOIN concerned AS x ON x.profile_id = b.profile_id
JOIN identities_now AS n ON n.source = b.source AND n.entity = b.entity AND n.record_key = b.record_key
