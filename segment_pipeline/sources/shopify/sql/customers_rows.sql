-- One row per usable version of an account.
SELECT
  $source AS source,
  'customer' AS entity,
  c.key AS customer_key,
  c.updated_at,
  CAST(NULL AS VARCHAR) AS owner_key,
  e.email,
  p.phone,
  nullif(trim(c.r.firstName), '') AS first_name,
  nullif(trim(c.r.lastName), '') AS last_name,
  nullif(trim(c.r.defaultAddress.address1), '') AS street,
  nullif(trim(c.r.defaultAddress.city), '') AS city,
  nullif(trim(c.r.defaultAddress.provinceCode), '') AS region,
  nullif(upper(trim(c.r.defaultAddress.zip)), '') AS postcode,
  nullif(upper(trim(c.r.defaultAddress.countryCodeV2)), '') AS country,
  TRY_CAST(c.r.birthDate.value AS DATE) AS birth_date,
  substr(CAST(TRY_CAST(c.r.birthDate.value AS DATE) AS VARCHAR), 6, 5) AS birth_day,
  CASE lower(trim(c.r.gender.value))
    WHEN 'female' THEN 'female' WHEN 'f' THEN 'female' WHEN 'woman' THEN 'female'
    WHEN 'male' THEN 'male' WHEN 'm' THEN 'male' WHEN 'man' THEN 'male'
    WHEN 'other' THEN 'other' WHEN 'non-binary' THEN 'other' WHEN 'diverse' THEN 'other'
  END AS gender,
  CAST(NULL AS VARCHAR) AS loyalty_id,
  CAST(NULL AS BIGINT) AS loyalty_balance,
  c.created_at,
  CAST(NULL AS DATE) AS deleted_on,
  TRUE AS contactable,
  CASE WHEN c.r.locale <> '' THEN '{"locale":' || CAST(to_json(c.r.locale) AS VARCHAR) || '}' END AS attributes,
  c.day
FROM parsed AS c
LEFT JOIN emails AS e ON e.raw = c.email_raw
LEFT JOIN phones AS p ON p.raw = c.phone_raw AND p.country IS NOT DISTINCT FROM c.phone_country
WHERE c.reason IS NULL
