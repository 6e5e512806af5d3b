-- One row per living profile_id and its anchor record.
SELECT source, entity, record_key, profile_id
FROM identities_newest
WHERE substr(sha256(concat_ws('|', source, entity, record_key)), 1, 32) = profile_id
