-- One row per line of an order that money was given back for by the end of as_of, where the refund names the line.
SELECT source, order_key, line_number, sum(amount_base) AS refunded
FROM refunds_as_of
WHERE line_number IS NOT NULL AND order_key IS NOT NULL
GROUP BY source, order_key, line_number
