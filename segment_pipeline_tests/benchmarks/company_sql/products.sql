-- One row per product of each source; by their stock keeping units the till's are the shop's. Collections are the shop's.
SELECT
    source, product_key(source, q) AS product_key, at_second(0, 3600) AS updated_at, 'Product ' || q AS title,
    'Brand ' || (q % 90) AS brand, department(q) AS department, category(q) AS category, CASE source WHEN 'shopify' THEN collection(q) END AS collection,
    money(list_cents(q)) AS price, 'USD' AS currency, launched_on(q) AS launched_on,
    CAST(NULL AS DATE) AS deleted_on, ['SKU' || q] AS skus, on_day(0) AS day
FROM range(4000) AS products(q)
CROSS JOIN (VALUES ('square'), ('shopify')) AS sources(source)
