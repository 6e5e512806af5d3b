-- One row per segment of the pair and member in the snapshot before, by the id the person has in this one.
SELECT DISTINCT s.segment, coalesce(h.profile_id, s.profile_id) AS profile_id
FROM snapshot_before AS s
JOIN segment_pairs AS p ON p.segment = s.segment
LEFT JOIN heirs AS h ON h.old_profile_id = s.profile_id
