-- One row per segment just evaluated and member.
SELECT CAST($as_of AS DATE) AS as_of, d.segment, d.definition_hash, p.profile_id
FROM segment_members AS m
JOIN segment_definitions AS d ON d.segment_no = m.segment_no
JOIN people AS p ON p.person_no = m.person_no
