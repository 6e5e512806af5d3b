-- One row per product held, of whatever day, numbered within the session.
SELECT source, product_key, row_number() OVER (ORDER BY source, product_key) AS product_no
FROM (SELECT DISTINCT source, product_key FROM products) AS held
