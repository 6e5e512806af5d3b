-- One row per record known by as_of: the person it belongs to.
SELECT CAST($as_of AS DATE) AS as_of, source, entity, record_key, profile_id, key_no FROM resolved
