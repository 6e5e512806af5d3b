-- One row per usable version of a loyalty account, owned by the customer it names.
SELECT
  $source AS source,
  'loyalty' AS entity,
  c.key AS customer_key,
  c.updated_at,
  nullif(c.r.customer_id, '') AS owner_key,
  CAST(NULL AS VARCHAR) AS email,
  p.phone,
  CAST(NULL AS VARCHAR) AS first_name,
  CAST(NULL AS VARCHAR) AS last_name,
  CAST(NULL AS VARCHAR) AS street,
  CAST(NULL AS VARCHAR) AS city,
  CAST(NULL AS VARCHAR) AS region,
  CAST(NULL AS VARCHAR) AS postcode,
  CAST(NULL AS VARCHAR) AS country,
  CAST(NULL AS DATE) AS birth_date,
  CAST(NULL AS VARCHAR) AS birth_day,
  CAST(NULL AS VARCHAR) AS gender,
  c.key AS loyalty_id,
  c.r.balance AS loyalty_balance,
  c.created_at,
  CAST(NULL AS DATE) AS deleted_on,
  TRUE AS contactable,
  CAST(NULL AS VARCHAR) AS attributes,
  c.day
FROM parsed AS c
LEFT JOIN phones AS p ON p.raw = c.phone_raw AND p.country IS NOT DISTINCT FROM c.phone_country
WHERE c.reason IS NULL
