-- One row per completed order of a person made by the end of as_of; `updated_at`: its version, by which lines are joined.
SELECT
    r.profile_id, o.source, o.order_no, o.order_key, o.kind, o.channel, o.store_key, o.ordered_at, o.ordered_on, o.local_at, o.net_base AS net,
    o.tax, o.gift_card_sold, o.coupon_codes, o.campaign_key, o.parent_order_key, o.updated_at
FROM orders_as_of AS o
JOIN activity_persons AS r
    ON r.entity = CASE WHEN o.customer_no IS NULL THEN 'order' ELSE 'customer' END
    AND r.key_no = coalesce(o.customer_no, o.order_no)
WHERE o.status = 'completed'
