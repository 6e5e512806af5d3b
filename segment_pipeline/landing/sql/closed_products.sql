-- One row per product its source says is gone: its newest version held, closed.
WITH held AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY product_key ORDER BY updated_at DESC, CASE WHEN deleted_on IS NULL THEN 1 ELSE 0 END) AS place
  FROM held_products
)
SELECT
  h.product_key, u.updated_at, h.title, h.brand, h.department, h.category, h.collection, h.price, h.currency, h.launched_on,
  u.day AS deleted_on, h.skus, h.item_key, u.day
FROM usable AS u
INNER JOIN held AS h ON h.product_key = u.key AND h.place = 1
WHERE h.deleted_on IS NULL AND h.updated_at < u.updated_at
