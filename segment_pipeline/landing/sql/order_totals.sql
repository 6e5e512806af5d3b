-- One row per usable version of an order: the sums of its lines, gift cards apart. An order without lines is worth nothing. A sum
-- that a rate makes too large for the lake has no base, as one without a rate.
WITH totals AS (
  SELECT
    key,
    updated_at,
    sum(gross) FILTER (NOT is_gift_card) AS gross,
    sum(discount) FILTER (NOT is_gift_card) AS discount,
    sum(net) FILTER (NOT is_gift_card) AS net,
    sum(tax) FILTER (NOT is_gift_card AND net >= 0) AS tax,
    sum(net) FILTER (is_gift_card) AS gift_card_sold
  FROM order_items
  GROUP BY key, updated_at
)
SELECT
  o.key,
  o.updated_at,
  CAST(coalesce(t.gross, 0) AS DECIMAL(18,4)) AS gross,
  CAST(coalesce(t.discount, 0) AS DECIMAL(18,4)) AS discount,
  CAST(coalesce(t.net, 0) AS DECIMAL(18,4)) AS net,
  TRY_CAST(CAST(coalesce(t.net, 0) AS DECIMAL(18,4)) * o.rate AS DECIMAL(18,4)) AS net_base,
  CAST(coalesce(t.tax, 0) AS DECIMAL(18,4)) AS tax,
  CAST(coalesce(t.gift_card_sold, 0) AS DECIMAL(18,4)) AS gift_card_sold
FROM usable AS o
LEFT JOIN totals AS t ON t.key = o.key AND t.updated_at = o.updated_at
