-- One row per pair of segments that are nearly the same people: people in both, of people in either.
WITH sizes AS (
  SELECT segment, count(*) AS size FROM members_held GROUP BY segment
), pairs AS (
  SELECT a.segment AS one, b.segment AS other, a.size + b.size AS sizes
  FROM sizes AS a
  JOIN sizes AS b ON a.segment < b.segment AND least(a.size, b.size) >= $share * greatest(a.size, b.size)
), shared AS (
  SELECT p.one, p.other, p.sizes, count(*) AS common
  FROM pairs AS p
  JOIN members_held AS a ON a.segment = p.one
  JOIN members_held AS b ON b.segment = p.other AND b.profile_id = a.profile_id
  GROUP BY p.one, p.other, p.sizes
)
SELECT one, other, common / (sizes - common) AS share
FROM shared
WHERE common >= $share * (sizes - common)
ORDER BY one, other
