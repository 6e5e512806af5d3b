-- One row per event of as_of: what is refused as of it, and what changed since the snapshot before.
SELECT CAST($as_of AS DATE) AS as_of, kind, rule, profile_id, other_profile_id, records, evidence FROM states
UNION ALL
SELECT CAST($as_of AS DATE), kind, rule, profile_id, other_profile_id, records, evidence FROM changes
