-- One row per segment of the pair and member in this snapshot.
SELECT s.segment, s.profile_id
FROM snapshot_now AS s
JOIN segment_pairs AS p ON p.segment = s.segment
