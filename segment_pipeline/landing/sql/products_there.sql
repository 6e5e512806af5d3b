-- One row per product that is there by its newest version and was last changed before a day.
SELECT product_key AS key, CAST(NULL AS VARCHAR) AS order_key
FROM (
  SELECT
    product_key, day, deleted_on,
    row_number() OVER (PARTITION BY product_key ORDER BY updated_at DESC, CASE WHEN deleted_on IS NULL THEN 1 ELSE 0 END) AS place
  FROM products
) AS p
WHERE place = 1 AND deleted_on IS NULL AND day < $first
ORDER BY key
