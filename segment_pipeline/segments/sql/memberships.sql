-- One row per segment just evaluated and member.
SELECT CAST($as_of AS DATE) AS as_of, m.segment, d.definition_hash, m.profile_id
FROM segment_members AS m
JOIN segment_definitions AS d ON d.segment = m.segment
