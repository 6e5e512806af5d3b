-- One row per order that money was given back for by the end of as_of: refunds, and returns that name it.
SELECT source, order_key, sum(amount) AS refunded
FROM (
    SELECT source, order_key, amount_base AS amount FROM refunds_as_of WHERE order_key IS NOT NULL
    UNION ALL
    SELECT source, parent_order_key AS order_key, -returned AS amount FROM return_parts WHERE linked
) AS given_back
GROUP BY source, order_key
