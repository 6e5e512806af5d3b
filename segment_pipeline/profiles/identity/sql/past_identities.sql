-- One row per (snapshot, record) that was published and may have used ids no longer produced; twice where a snapshot replaced
-- held it as well.
SELECT as_of, source, entity, record_key, profile_id FROM identities WHERE as_of < $newest
UNION ALL
SELECT as_of, source, entity, record_key, profile_id FROM identities_replaced
