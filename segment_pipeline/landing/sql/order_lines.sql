-- One row per line of a usable version of an order, gift cards left out: they are prepaid balance, not goods.
SELECT
  i.key AS order_key,
  i.line_number,
  i.updated_at,
  i.product_key,
  i.quantity,
  i.gross,
  i.discount,
  i.net,
  TRY_CAST(i.net * o.rate AS DECIMAL(18,4)) AS net_base,
  i.is_markdown,
  i.tax,
  i.parent_order_key,
  i.parent_line_number,
  o.business_on AS ordered_on,
  o.day
FROM order_items AS i
INNER JOIN usable AS o ON o.key = i.key AND o.updated_at = i.updated_at
WHERE NOT i.is_gift_card
