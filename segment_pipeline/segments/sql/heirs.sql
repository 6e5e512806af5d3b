-- One row per profile_id of the snapshot before that this one does not produce: who holds its anchor now, else most of its records.
SELECT old_profile_id, profile_id
FROM (
  SELECT b.profile_id AS old_profile_id, n.profile_id,
    row_number() OVER (
      PARTITION BY b.profile_id
      ORDER BY bool_or(substr(sha256(concat_ws('|', b.source, b.entity, b.record_key)), 1, 32) = b.profile_id) DESC,
        count(*) DESC, n.profile_id
    ) AS place
  FROM identities_before AS b
  JOIN identities_now AS n ON n.source = b.source AND n.entity = b.entity AND n.record_key = b.record_key
  LEFT JOIN (SELECT DISTINCT profile_id FROM identities_now) AS living ON living.profile_id = b.profile_id
  WHERE living.profile_id IS NULL
  GROUP BY b.profile_id, n.profile_id
) AS heirs
WHERE place = 1
