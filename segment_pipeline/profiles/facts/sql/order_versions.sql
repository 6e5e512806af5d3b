-- One row per version of an order held, of whatever day.
SELECT
    order_no, source, order_key, updated_at, kind, parent_order_key, customer_key, customer_no, email, phone, anonymous_id, first_name, last_name,
    channel, store_key, ordered_at, ordered_on, local_at, status, currency, rate_day, gross, net, net_base, tax, gift_card_sold,
    coupon_codes, campaign_key, created_at, day
FROM orders
