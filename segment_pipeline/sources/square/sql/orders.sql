-- One row per usable version of an order. A return is negative; one that sells something as well is an exchange. Its lines say which
-- sale each gives back; of the order that is said where all of it is of one sale. An order is paid when it is completed, or what was
-- captured for it reaches its total: goods may be handed over later.
SELECT
  o.*,
  o.key AS order_key,
  CASE
    WHEN coalesce(len(o.returned), 0) = 0 AND len(o.parents) = 0 THEN 'sale'
    WHEN coalesce(len(o.r.line_items), 0) = 0 THEN 'return'
    ELSE 'exchange'
  END AS kind,
  CASE WHEN len(o.parents) = 1 AND len(list_filter(o.r.returns, LAMBDA x: nullif(x.source_order_id, '') IS NULL)) = 0 THEN o.parents[1] END AS parent_order_key,
  coalesce(nullif(trim(o.r.customer_id), ''), list_filter(list_transform(o.r.tenders, LAMBDA x: x.customer_id), LAMBDA x: trim(x) <> '')[1]) AS customer_key,
  CASE WHEN contains(lower(coalesce(o.r.source.name, '')), 'online') THEN 'web' ELSE 'store' END AS channel,
  CASE WHEN NOT contains(lower(coalesce(o.r.source.name, '')), 'online') THEN o.r.location_id END AS store_key,
  o.business_at AS ordered_at,
  o.business_on AS ordered_on,
  CASE
    WHEN o.r.state = 'COMPLETED' OR (o.r.state = 'OPEN' AND o.is_paid) THEN 'completed'
    WHEN o.r.state = 'CANCELED' THEN 'cancelled'
    ELSE 'open'
  END AS status,
  t.gross,
  t.discount,
  t.net,
  t.net_base,
  t.tax,
  t.gift_card_sold,
  list_sort(list_distinct(coalesce(list_transform(
    list_filter(list_transform(o.r.discounts, LAMBDA x: x.name), LAMBDA x: starts_with(x, $coupon_prefix)),
    LAMBDA x: substr(x, length($coupon_prefix) + 1)
  ), []))) AS coupon_codes,
  json_extract_string(o.r.metadata, $campaign_path) AS campaign_key
FROM usable AS o
INNER JOIN order_totals AS t ON t.key = o.key AND t.updated_at = o.updated_at
