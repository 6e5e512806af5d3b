-- One row per profile_id of this snapshot that took records over from another person, or gave some away, since the one before.
-- A person who merely got another id is not among them.
WITH moves AS (
  SELECT DISTINCT b.profile_id AS was, n.profile_id AS now_is
  FROM identities_before AS b
  JOIN identities_now AS n ON n.source = b.source AND n.entity = b.entity AND n.record_key = b.record_key
)
SELECT DISTINCT m.now_is AS profile_id
FROM moves AS m
LEFT JOIN (SELECT now_is FROM moves GROUP BY now_is HAVING count(*) > 1) AS merged ON merged.now_is = m.now_is
LEFT JOIN (SELECT was FROM moves GROUP BY was HAVING count(*) > 1) AS split ON split.was = m.was
WHERE merged.now_is IS NOT NULL OR split.was IS NOT NULL
