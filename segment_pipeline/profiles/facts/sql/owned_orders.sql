-- One row per order made by the end of as_of, test orders left out, with what is asked of its money and whose it is (`person_no` NULL:
-- nobody's). `is_paid`: it is completed. What only a give-back is asked for is NULL of sales, which are most of the rows.
SELECT
    o.source, o.day, o.order_no, o.order_key, o.updated_at, p.person_no, o.kind, o.status = 'completed' AS is_paid,
    o.ordered_at, o.ordered_on, o.local_at, o.channel, o.store_key, o.coupon_codes, o.campaign_key,
    o.net, o.net_base, o.tax, o.currency, o.rate_day, o.gross, o.gift_card_sold,
    CASE WHEN o.kind <> 'sale' THEN o.order_key END AS return_key,
    CASE WHEN o.kind <> 'sale' THEN o.parent_order_key END AS parent_order_key,
    CASE WHEN o.kind <> 'sale' THEN o.ordered_at END AS returned_at
FROM orders_as_of AS o
LEFT JOIN buyer_records AS p ON p.key_no = coalesce(o.customer_no, o.order_no)
