-- One row per usable version of a customer. Nothing here is a consent.
SELECT
  c.*,
  'customer' AS entity,
  c.key AS customer_key,
  nullif(trim(c.r.given_name), '') AS first_name,
  nullif(trim(c.r.family_name), '') AS last_name,
  nullif(trim(c.r.address.address_line_1), '') AS street,
  nullif(trim(c.r.address.locality), '') AS city,
  nullif(trim(c.r.address.administrative_district_level_1), '') AS region,
  nullif(upper(trim(c.r.address.postal_code)), '') AS postcode,
  nullif(upper(trim(c.r.address.country)), '') AS country,
  coalesce(c.r.creation_source, '') <> 'INSTANT_PROFILE' AS contactable,
  a.attributes
FROM usable AS c
LEFT JOIN customer_attributes AS a ON a.key = c.key AND a.updated_at = c.updated_at
