-- One row per line of each version of an order.
SELECT
    source,
    CASE source WHEN 'square' THEN 'T' || order_no ELSE CAST(5000000000000 + order_no AS VARCHAR) END AS order_key,
    CAST(line_no AS VARCHAR) AS line_number,
    at_second(d, second + version * 7200) AS updated_at,
    product_key(source, q) AS product_key,
    CAST(1 + pick(l, 0, 2) AS DECIMAL(18,8)) AS quantity,
    money(cents) AS gross,
    money(off) AS discount,
    money(cents - off) AS net,
    CAST(money(cents - off) * CASE WHEN source = 'shopify' AND country_of(t) = 'DE' THEN 1.08 ELSE 1.00 END AS DECIMAL(18,4)) AS net_base,
    off > 0 AS is_markdown,
    on_day(d) AS ordered_on,
    on_day(d) AS day
FROM (
    SELECT *,
        list_cents(q) * (1 + pick(l, 0, 2)) AS cents,
        CASE WHEN pick(l, 4, 5) = 0 THEN list_cents(q) // 4 ELSE 0 END AS off,
        unnest(CASE WHEN source = 'shopify' AND pick(o, 10, 100) < 6 THEN [0, 1] ELSE [0] END) AS version
    FROM made_lines
)
