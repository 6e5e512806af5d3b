-- One row per refund: of one line in thirty, on the day of its order, as at a counter.
SELECT
    source,
    'R' || order_no || '-' || line_no AS refund_key,
    at_second(d, second + 10800) AS updated_at,
    CASE source WHEN 'square' THEN 'T' || order_no ELSE CAST(5000000000000 + order_no AS VARCHAR) END AS order_key,
    CAST(line_no AS VARCHAR) AS line_number,
    at_second(d, second + 10800) AS refunded_at,
    on_day(d) AS refunded_on,
    money(list_cents(q) // 2) AS amount,
    CAST(money(list_cents(q) // 2) * CASE WHEN source = 'shopify' AND country_of(t) = 'DE' THEN 1.08 ELSE 1.00 END AS DECIMAL(18,4)) AS amount_base,
    CASE WHEN source = 'shopify' AND country_of(t) = 'DE' THEN 'EUR' ELSE 'USD' END AS currency,
    on_day(d) AS day
FROM made_lines
WHERE pick(l, 8, 30) = 0
