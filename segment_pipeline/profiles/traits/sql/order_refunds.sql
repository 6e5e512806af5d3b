-- One row per order that money was given back for by the end of as_of: refunds, and returns that name it; `of_lines`: some
-- refund of it names a line.
SELECT source, order_key, sum(amount) AS refunded, count(line_number) > 0 AS of_lines
FROM (
    SELECT source, order_key, line_number, amount_base AS amount FROM refunds_as_of WHERE order_key IS NOT NULL
    UNION ALL
    SELECT source, parent_order_key AS order_key, CAST(NULL AS VARCHAR) AS line_number, -returned AS amount FROM return_parts WHERE linked
) AS given_back
GROUP BY source, order_key
