-- One row per customer version that is in a group whose name declares an attribute ("Age: 45-54"): its attributes as JSON.
WITH memberships AS (
  SELECT key, updated_at, unnest(r.group_ids) AS group_id FROM parsed WHERE reason IS NULL
),
declared AS (
  SELECT
    json_extract_string(g.record, '$.id') AS group_id,
    a.value AS attribute,
    trim(substr(json_extract_string(g.record, '$.name'), length(a.key) + 2)) AS value
  FROM raw_groups AS g
  INNER JOIN group_attributes AS a ON starts_with(json_extract_string(g.record, '$.name'), a.key || ':')
),
pairs AS (
  SELECT m.key, m.updated_at, d.attribute, max(d.value) AS value
  FROM memberships AS m
  INNER JOIN declared AS d ON d.group_id = m.group_id
  WHERE d.value <> ''
  GROUP BY m.key, m.updated_at, d.attribute
  UNION ALL
  SELECT key, updated_at, 'reference_id', r.reference_id FROM parsed WHERE reason IS NULL AND r.reference_id <> ''
)
SELECT
  key,
  updated_at,
  '{' || string_agg(CAST(to_json(attribute) AS VARCHAR) || ':' || CAST(to_json(value) AS VARCHAR), ',' ORDER BY attribute) || '}' AS attributes
FROM pairs
GROUP BY key, updated_at
