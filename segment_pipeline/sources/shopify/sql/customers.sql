-- One row per usable version of an account.
SELECT
  c.*,
  'customer' AS entity,
  c.key AS customer_key,
  nullif(trim(c.r.firstName), '') AS first_name,
  nullif(trim(c.r.lastName), '') AS last_name,
  nullif(trim(c.r.defaultAddress.address1), '') AS street,
  nullif(trim(c.r.defaultAddress.city), '') AS city,
  nullif(trim(c.r.defaultAddress.provinceCode), '') AS region,
  nullif(upper(trim(c.r.defaultAddress.zip)), '') AS postcode,
  nullif(upper(trim(c.r.defaultAddress.countryCodeV2)), '') AS country,
  CASE
    WHEN lower(trim(c.r.gender.value)) IN ('female', 'f', 'woman') THEN 'female'
    WHEN lower(trim(c.r.gender.value)) IN ('male', 'm', 'man') THEN 'male'
    WHEN lower(trim(c.r.gender.value)) IN ('other', 'non-binary', 'diverse') THEN 'other'
  END AS gender,
  TRUE AS contactable,
  CASE WHEN c.r.locale <> '' THEN '{"locale":' || CAST(to_json(c.r.locale) AS VARCHAR) || '}' END AS attributes
FROM usable AS c
