-- One row per person and condition met: the word and mask of its bit. A person may have the same row twice; bits do not mind.
SELECT n.person_no, t.word, t.mask
FROM segment_counts AS n
JOIN segment_count_terms AS t ON t.measure = n.measure
WHERE n.n >= t.at_least AND (t.at_most IS NULL OR n.n <= t.at_most)
UNION ALL
SELECT s.person_no, t.word, t.mask
FROM segment_sums AS s
JOIN segment_sum_terms AS t ON t.measure = s.measure
WHERE CASE t.operator
    WHEN '==' THEN s.total = t."limit"
    WHEN '!=' THEN s.total <> t."limit"
    WHEN '<' THEN s.total < t."limit"
    WHEN '<=' THEN s.total <= t."limit"
    WHEN '>' THEN s.total > t."limit"
    ELSE s.total >= t."limit"
  END
UNION ALL
SELECT n.person_no, h.word, h.mask
FROM (
  -- Crosswise: spend against that share of the whole, so that 4.80 of 12.00 is 0.4.
  SELECT s.profile_id, t.word, t.mask, t.operator,
    CASE WHEN t.lifetime THEN s.spend_total ELSE s.spend_365d END AS share,
    CASE WHEN t.lifetime THEN s.known_total ELSE s.known_365d END * t."limit" AS ceiling,
    CASE WHEN t.lifetime THEN s.known_total ELSE s.known_365d END AS whole
  FROM trait_shares AS s
  JOIN segment_share_terms AS t ON t.dimension = s.dimension AND t.value = s.value
) AS h
JOIN people AS n ON n.profile_id = h.profile_id
WHERE h.whole > 0 AND CASE h.operator
    WHEN '==' THEN h.share = h.ceiling
    WHEN '!=' THEN h.share <> h.ceiling
    WHEN '<' THEN h.share < h.ceiling
    WHEN '<=' THEN h.share <= h.ceiling
    WHEN '>' THEN h.share > h.ceiling
    ELSE h.share >= h.ceiling
  END
UNION ALL
SELECT DISTINCT n.person_no, t.word, t.mask
FROM trait_shares AS s
JOIN segment_known_terms AS t ON t.dimension = s.dimension
JOIN people AS n ON n.profile_id = s.profile_id
WHERE CASE WHEN t.lifetime THEN s.known_total ELSE s.known_365d END > 0
