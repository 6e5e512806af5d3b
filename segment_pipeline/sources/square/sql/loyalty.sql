-- One row per usable version of a loyalty account, owned by the customer it names.
SELECT
  c.*,
  'loyalty' AS entity,
  c.key AS customer_key,
  nullif(c.r.customer_id, '') AS owner_key,
  c.key AS loyalty_id,
  c.r.balance AS loyalty_balance,
  TRUE AS contactable
FROM usable AS c
