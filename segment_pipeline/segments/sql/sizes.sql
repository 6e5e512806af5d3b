-- One row per segment just evaluated, empty ones included. A row whose answer is the one already held keeps the inputs it had,
-- so that doing a day again changes nothing.
SELECT n.as_of, n.segment, n.definition_hash, n.size, n.population, coalesce(b.inputs, n.inputs) AS inputs
FROM (
  SELECT
    CAST($as_of AS DATE) AS as_of, d.segment, d.definition_hash, CAST(count(m.person_no) AS BIGINT) AS size,
    CAST($population AS BIGINT) AS population, CAST($inputs AS VARCHAR) AS inputs
  FROM segment_definitions AS d
  LEFT JOIN segment_members AS m ON m.segment_no = d.segment_no
  GROUP BY d.segment, d.definition_hash
) AS n
LEFT JOIN sizes_before AS b
  ON b.segment = n.segment AND b.definition_hash = n.definition_hash AND b.size = n.size AND b.population = n.population
