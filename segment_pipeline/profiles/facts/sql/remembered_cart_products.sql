-- One row per version of a cart some of whose lines name no product where an earlier version named one for a line of that title and SKU,
-- if it still tells that: those that the newest of them named.
WITH changed AS (
    SELECT source, cart_key
    FROM carts
    GROUP BY source, cart_key
    HAVING count(DISTINCT array_to_string(product_keys, '|')) > 1
),
told AS (
    SELECT
        c.source, c.cart_key, c.updated_at,
        unnest(from_json(c.lines, '[{"product_key":"VARCHAR","sku":"VARCHAR","title":"VARCHAR"}]')) AS l
    FROM carts AS c
    JOIN changed AS r ON r.source = c.source AND r.cart_key = c.cart_key
),
named AS (
    SELECT source, cart_key, updated_at, nullif(l.product_key, '') AS product_key, nullif(l.sku, '') AS sku, l.title AS title
    FROM told
),
known AS (
    SELECT
        n.source, n.cart_key, n.updated_at, e.product_key, e.updated_at AS named_at,
        max(e.updated_at) OVER (PARTITION BY n.source, n.cart_key, n.updated_at, n.sku, n.title) AS newest
    FROM named AS n
    JOIN named AS e
        ON e.source = n.source AND e.cart_key = n.cart_key AND e.title = n.title
        AND (n.sku IS NULL OR e.sku = n.sku)
        AND e.updated_at < n.updated_at
    WHERE n.product_key IS NULL AND e.product_key IS NOT NULL
)
SELECT source, cart_key, updated_at, list(DISTINCT product_key) AS product_keys
FROM known
WHERE named_at = newest
GROUP BY source, cart_key, updated_at
