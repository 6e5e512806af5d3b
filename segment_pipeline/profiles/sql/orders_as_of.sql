-- One row per order made by the end of as_of, test orders left out: the version of that day, or the earliest held after it.
SELECT
    o.source, o.order_key, o.updated_at, o.kind, o.parent_order_key, o.customer_key, o.email, o.phone, o.anonymous_id,
    o.channel, o.store_key, o.ordered_at, o.ordered_on, o.local_at, o.status, o.gross, o.net_base, o.gift_card_sold,
    o.campaign_key, o.created_at,
    o.day > $as_of AS back_projected
FROM orders AS o
JOIN (
    SELECT
        source, order_key,
        coalesce(max(updated_at) FILTER (WHERE day <= $as_of), min(updated_at)) AS updated_at
    FROM orders
    WHERE ordered_on <= $as_of
    GROUP BY source, order_key
) AS v ON v.source = o.source AND v.order_key = o.order_key AND v.updated_at = o.updated_at
WHERE o.ordered_on <= $as_of AND o.status <> 'test'
