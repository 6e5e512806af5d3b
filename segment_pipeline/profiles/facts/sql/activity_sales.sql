-- One row per completed sale of a person since a day, by its customer, else by the order itself: goods sold, not returns,
-- exchanges, or loads of prepaid balance alone.
SELECT
    r.profile_id, r.person_no, o.source, o.order_key, o.updated_at, o.ordered_at, o.ordered_on, o.local_at, o.channel,
    o.campaign_key, o.net_base
FROM orders_as_of AS o
JOIN activity_persons AS r
    ON r.source = o.source
    AND r.entity = CASE WHEN o.customer_key IS NULL THEN 'order' ELSE 'customer' END
    AND r.record_key = coalesce(o.customer_key, o.order_key)
WHERE o.kind = 'sale' AND o.status = 'completed' AND NOT (o.gift_card_sold > 0 AND o.gross = 0) AND o.ordered_on >= $since
