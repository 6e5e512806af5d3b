-- One row per person who is in a segment in one of two snapshots only; the persons of the one before by the ids of this one.
SELECT
  CAST($as_of AS DATE) AS as_of, p.segment, p.definition_hash, c.profile_id, c.change,
  CASE
    WHEN p.previous_as_of IS NULL THEN 'first'
    WHEN p.previous_hash <> p.definition_hash THEN 'definition'
    WHEN p.previous_as_of < CAST($as_of AS DATE) - 1 THEN 'gap'
    WHEN t.profile_id IS NOT NULL THEN 'identity'
    ELSE 'data'
  END AS cause,
  p.previous_as_of
FROM (
  SELECT n.segment, n.profile_id, 'entered' AS change
  FROM members_now AS n
  LEFT JOIN members_before AS b ON b.segment = n.segment AND b.profile_id = n.profile_id
  WHERE b.profile_id IS NULL
  UNION ALL
  SELECT b.segment, b.profile_id, 'exited'
  FROM members_before AS b
  LEFT JOIN members_now AS n ON n.segment = b.segment AND n.profile_id = b.profile_id
  WHERE n.profile_id IS NULL
) AS c
JOIN segment_pairs AS p ON p.segment = c.segment
LEFT JOIN touched AS t ON t.profile_id = c.profile_id
