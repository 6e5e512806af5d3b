-- One row per account its source says is gone: its newest version held, closed. One that was merged away belongs to the account it
-- went into, as a loyalty account belongs to its customer.
WITH held AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY customer_key ORDER BY updated_at DESC, CASE WHEN deleted_on IS NULL THEN 1 ELSE 0 END) AS place
  FROM held_customers
  WHERE entity = 'customer'
)
SELECT
  h.entity, h.customer_key, u.updated_at, nullif(u.r.survivor, '') AS owner_key, h.email, h.phone, h.first_name, h.last_name,
  h.street, h.city, h.region, h.postcode, h.country, h.birth_date, h.birth_day, h.gender, h.loyalty_id, h.loyalty_balance,
  h.created_at, u.day AS deleted_on, h.contactable, h.attributes, u.day
FROM usable AS u
INNER JOIN held AS h ON h.customer_key = u.key AND h.place = 1
WHERE h.deleted_on IS NULL AND h.updated_at < u.updated_at
