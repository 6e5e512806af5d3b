-- One row per version of an order received: the typed record, or the reason why it cannot be mapped.
-- A version received twice (inclusive ends of windows, a row that moved between pages) is one row.
WITH typed AS (
  SELECT
    record,
    md5(record) AS digest,
    json_type(record, '$.line_items') AS line_items_type,
    json_type(record, '$.returns') AS returns_type,
    from_json(record, '{
      "id": "VARCHAR", "location_id": "VARCHAR", "customer_id": "VARCHAR", "state": "VARCHAR", "version": "BIGINT",
      "created_at": "VARCHAR", "updated_at": "VARCHAR", "source": {"name": "VARCHAR"}, "metadata": "JSON",
      "total_money": {"amount": "BIGINT", "currency": "VARCHAR"},
      "net_amounts": {"total_money": {"currency": "VARCHAR"}},
      "tenders": [{"customer_id": "VARCHAR"}],
      "discounts": [{"name": "VARCHAR"}],
      "fulfillments": [{
        "pickup_details": {"recipient": {"email_address": "VARCHAR", "phone_number": "VARCHAR"}},
        "shipment_details": {"recipient": {"email_address": "VARCHAR", "phone_number": "VARCHAR"}},
        "delivery_details": {"recipient": {"email_address": "VARCHAR", "phone_number": "VARCHAR"}}
      }],
      "line_items": [{
        "uid": "VARCHAR", "catalog_object_id": "VARCHAR", "quantity": "VARCHAR", "item_type": "VARCHAR",
        "total_discount_money": {"amount": "BIGINT"}, "total_tax_money": {"amount": "BIGINT"},
        "total_service_charge_money": {"amount": "BIGINT"}, "total_money": {"amount": "BIGINT", "currency": "VARCHAR"}
      }],
      "returns": [{
        "source_order_id": "VARCHAR",
        "return_line_items": [{
          "uid": "VARCHAR", "catalog_object_id": "VARCHAR", "quantity": "VARCHAR", "item_type": "VARCHAR",
          "total_discount_money": {"amount": "BIGINT"}, "total_tax_money": {"amount": "BIGINT"},
          "total_service_charge_money": {"amount": "BIGINT"}, "total_money": {"amount": "BIGINT", "currency": "VARCHAR"}
        }]
      }]
    }') AS r
  FROM raw_orders
),
zones AS (
  SELECT json_extract_string(record, '$.id') AS store_key, max(json_extract_string(record, '$.timezone')) AS timezone,
    max(json_extract_string(record, '$.country')) AS country
  FROM raw_locations
  GROUP BY ALL
),
named AS (
  SELECT
    t.record,
    t.digest,
    coalesce(nullif(t.r.id, ''), t.digest) AS key,
    TRY_CAST(t.r.updated_at AS TIMESTAMPTZ) AS updated_at,
    TRY_CAST(t.r.created_at AS TIMESTAMPTZ) AS ordered_at,
    coalesce(t.r.version, 0) AS version,
    coalesce(t.r.total_money.currency, t.r.net_amounts.total_money.currency, t.r.line_items[1].total_money.currency) AS currency,
    t.r.line_items AS lines,
    list_concat([], flatten(list_transform(t.r.returns, LAMBDA x: x.return_line_items))) AS returned,
    t.r.returns[1].source_order_id AS parent_order_key,
    t.r.location_id AS store_key,
    coalesce(t.r.customer_id, list_filter(list_transform(t.r.tenders, LAMBDA x: x.customer_id), LAMBDA x: x IS NOT NULL)[1]) AS customer_key,
    t.r.state AS state,
    t.r.source.name AS source_name,
    json_extract_string(t.r.metadata, $campaign_path) AS campaign_key,
    list_transform(
      list_filter(list_transform(t.r.discounts, LAMBDA x: x.name), LAMBDA x: starts_with(x, $coupon_prefix)),
      LAMBDA x: substr(x, length($coupon_prefix) + 1)
    ) AS coupons,
    coalesce(
      t.r.fulfillments[1].pickup_details.recipient.email_address,
      t.r.fulfillments[1].shipment_details.recipient.email_address,
      t.r.fulfillments[1].delivery_details.recipient.email_address
    ) AS email_raw,
    coalesce(
      t.r.fulfillments[1].pickup_details.recipient.phone_number,
      t.r.fulfillments[1].shipment_details.recipient.phone_number,
      t.r.fulfillments[1].delivery_details.recipient.phone_number
    ) AS phone_raw,
    z.country AS phone_country,
    z.timezone,
    CASE
      WHEN json_type(t.record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(t.r.id, '') IS NULL THEN 'no id'
      WHEN TRY_CAST(t.r.updated_at AS TIMESTAMPTZ) IS NULL THEN 'updated_at is not a time'
      WHEN TRY_CAST(t.r.created_at AS TIMESTAMPTZ) IS NULL THEN 'created_at is not a time'
      WHEN t.r.state IS NULL OR t.r.state NOT IN ('OPEN', 'COMPLETED', 'CANCELED', 'DRAFT') THEN 'unknown state'
      WHEN t.line_items_type NOT IN ('ARRAY', 'NULL') THEN 'line_items is not a list'
      WHEN t.returns_type NOT IN ('ARRAY', 'NULL') THEN 'returns is not a list'
      WHEN coalesce(t.r.total_money.currency, t.r.net_amounts.total_money.currency, t.r.line_items[1].total_money.currency) IS NULL THEN 'no currency'
      WHEN len(list_filter(t.r.line_items, LAMBDA x: x.uid IS NULL OR x.total_money.amount IS NULL)) > 0 THEN 'a line without uid or amount'
      WHEN len(list_distinct(list_transform(t.r.line_items, LAMBDA x: x.uid))) <> len(t.r.line_items) THEN 'two lines share a uid'
      WHEN len(list_filter(
        flatten(list_transform(t.r.returns, LAMBDA x: x.return_line_items)),
        LAMBDA x: x.uid IS NULL OR x.total_money.amount IS NULL
      )) > 0 THEN 'a returned line without uid or amount'
    END AS reason
  FROM typed AS t
  LEFT JOIN zones AS z ON z.store_key = t.r.location_id
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY key, updated_at, reason ORDER BY version DESC, digest) AS rank
  FROM (SELECT * EXCLUDE (record), CASE WHEN reason IS NOT NULL THEN record END AS raw FROM named)
)
SELECT
  * EXCLUDE (rank, digest),
  CAST(timezone($timezone, updated_at) AS DATE) AS day,
  CAST(timezone($timezone, ordered_at) AS DATE) AS business_on,
  timezone(timezone, ordered_at) AS local_at,
  CASE
    WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN CAST(1 AS DECIMAL(4,3))
    WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN CAST(0.001 AS DECIMAL(4,3))
    ELSE CAST(0.01 AS DECIMAL(4,3))
  END AS unit,
  CASE
    WHEN coalesce(len(returned), 0) = 0 AND parent_order_key IS NULL THEN 'sale'
    WHEN coalesce(len(lines), 0) = 0 THEN 'return'
    ELSE 'exchange'
  END AS kind
FROM ranked
WHERE rank = 1
