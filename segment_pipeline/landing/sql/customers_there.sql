-- One row per customer account that is there by its newest version and was last changed before a day; with one of its orders.
SELECT c.customer_key AS key, o.order_key
FROM (
  SELECT
    customer_key, day, deleted_on,
    row_number() OVER (PARTITION BY customer_key ORDER BY updated_at DESC, CASE WHEN deleted_on IS NULL THEN 1 ELSE 0 END) AS place
  FROM customers
  WHERE entity = 'customer'
) AS c
LEFT JOIN (SELECT customer_key, max(order_key) AS order_key FROM orders WHERE customer_key IS NOT NULL GROUP BY customer_key) AS o
  ON o.customer_key = c.customer_key
WHERE c.place = 1 AND c.deleted_on IS NULL AND c.day < $first
ORDER BY key
