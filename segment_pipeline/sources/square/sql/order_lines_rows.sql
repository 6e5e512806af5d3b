-- One row per line of a usable version of an order, gift cards left out: they are prepaid balance, not goods.
SELECT
  $source AS source,
  i.key AS order_key,
  i.line_number,
  i.updated_at,
  i.product_key,
  i.quantity,
  i.gross,
  i.discount,
  i.net,
  CAST(i.net * r.rate AS DECIMAL(18,4)) AS net_base,
  i.is_markdown,
  i.business_on AS ordered_on,
  i.day
FROM order_items AS i
LEFT JOIN rates_on AS r ON r.currency = i.currency AND r.day = i.business_on
WHERE NOT i.is_gift_card
