-- One row per line of a usable version of an order that was sold, gift cards included; tips, and lines that an edit took off, are none.
-- Allocations hold every discount of a line, codes for the whole order included; what is left of the total is net.
SELECT
  key,
  updated_at,
  line_number,
  product_key,
  quantity,
  is_gift_card,
  gross,
  discount,
  CAST(gross - discount AS DECIMAL(18,4)) AS net,
  tax,
  is_markdown,
  CAST(NULL AS VARCHAR) AS parent_order_key,
  CAST(NULL AS VARCHAR) AS parent_line_number
FROM line_items
WHERE quantity > 0 AND NOT is_tip
