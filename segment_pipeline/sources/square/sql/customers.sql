-- One row per usable version of a customer. Birthdays of year 0000 have a day and no year; nothing here is a consent.
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
  CASE WHEN NOT starts_with(c.r.birthday, '0000') THEN TRY_CAST(c.r.birthday AS DATE) END AS birth_date,
  CASE WHEN regexp_full_match(c.r.birthday, '[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])') THEN substr(c.r.birthday, 6, 5) END AS birth_day,
  coalesce(c.r.creation_source, '') <> 'INSTANT_PROFILE' AS contactable,
  a.attributes
FROM usable AS c
LEFT JOIN customer_attributes AS a ON a.key = c.key AND a.updated_at = c.updated_at
