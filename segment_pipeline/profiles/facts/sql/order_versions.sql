-- One row per version of an order held, of whatever day, numbered within the session: lines join by the number.
SELECT
    row_number() OVER (ORDER BY ordered_at, source, order_key, updated_at) AS order_no,
    source, order_key, updated_at, kind, parent_order_key, customer_key, email, phone, anonymous_id, first_name, last_name,
    channel, store_key, ordered_at, ordered_on, local_at, status, currency, rate_day, gross, net, net_base, tax, gift_card_sold,
    campaign_key, created_at, day
FROM orders
