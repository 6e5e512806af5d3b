-- One row per version of an order received: the typed record, or the reason why it cannot be mapped.
-- Amounts are in the shop's currency, in which an order can be added up with others.
WITH typed AS (
  SELECT
    record,
    md5(record) AS digest,
    from_json(record, '{
      "id": "VARCHAR", "legacyResourceId": "VARCHAR", "createdAt": "VARCHAR", "processedAt": "VARCHAR", "updatedAt": "VARCHAR",
      "cancelledAt": "VARCHAR", "test": "BOOLEAN", "sourceName": "VARCHAR", "attribution": {"handle": "VARCHAR"},
      "retailLocation": {"id": "VARCHAR"}, "email": "VARCHAR", "phone": "VARCHAR", "customer": {"legacyResourceId": "VARCHAR"},
      "displayFinancialStatus": "VARCHAR", "discountCodes": ["VARCHAR"], "currencyCode": "VARCHAR",
      "shippingAddress": {"phone": "VARCHAR", "countryCodeV2": "VARCHAR"},
      "billingAddress": {"phone": "VARCHAR", "countryCodeV2": "VARCHAR"},
      "customerJourneySummary": {"lastVisit": {"utmParameters": {"campaign": "VARCHAR"}}},
      "lineItems": {"nodes": [{
        "id": "VARCHAR", "quantity": "BIGINT", "isGiftCard": "BOOLEAN", "product": {"legacyResourceId": "VARCHAR"},
        "originalTotalSet": {"shopMoney": {"amount": "VARCHAR"}},
        "discountAllocations": [{"allocatedAmountSet": {"shopMoney": {"amount": "VARCHAR"}}, "discountApplication": {"__typename": "VARCHAR"}}]
      }]},
      "refunds": [{
        "legacyResourceId": "VARCHAR", "createdAt": "VARCHAR", "processedAt": "VARCHAR",
        "totalRefundedSet": {"shopMoney": {"amount": "VARCHAR"}},
        "refundLineItems": {"nodes": [{"lineItem": {"id": "VARCHAR", "isGiftCard": "BOOLEAN"}, "subtotalSet": {"shopMoney": {"amount": "VARCHAR"}}}]}
      }]
    }') AS r
  FROM raw_orders
),
shop AS (
  SELECT max(json_extract_string(record, '$.data.shop.ianaTimezone')) AS timezone FROM raw_shop
),
named AS (
  SELECT
    t.record,
    t.digest,
    coalesce(nullif(t.r.legacyResourceId, ''), t.digest) AS key,
    TRY_CAST(t.r.updatedAt AS TIMESTAMPTZ) AS updated_at,
    TRY_CAST(t.r.createdAt AS TIMESTAMPTZ) AS created_at,
    coalesce(TRY_CAST(t.r.processedAt AS TIMESTAMPTZ), TRY_CAST(t.r.createdAt AS TIMESTAMPTZ)) AS ordered_at,
    t.r.currencyCode AS currency,
    t.r,
    nullif(trim(t.r.email), '') AS email_raw,
    coalesce(nullif(trim(t.r.phone), ''), nullif(trim(t.r.shippingAddress.phone), ''), nullif(trim(t.r.billingAddress.phone), '')) AS phone_raw,
    coalesce(t.r.shippingAddress.countryCodeV2, t.r.billingAddress.countryCodeV2) AS phone_country,
    s.timezone,
    CASE
      WHEN json_type(t.record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(t.r.legacyResourceId, '') IS NULL OR t.r.id IS NULL THEN 'no id'
      WHEN TRY_CAST(t.r.updatedAt AS TIMESTAMPTZ) IS NULL THEN 'updatedAt is not a time'
      WHEN TRY_CAST(t.r.createdAt AS TIMESTAMPTZ) IS NULL THEN 'createdAt is not a time'
      WHEN t.r.currencyCode IS NULL THEN 'no currency'
      WHEN t.r.lineItems.nodes IS NULL THEN 'lineItems is not a list'
      WHEN len(list_filter(t.r.lineItems.nodes, LAMBDA l: l.id IS NULL OR TRY_CAST(l.originalTotalSet.shopMoney.amount AS DECIMAL(18,4)) IS NULL)) > 0 THEN 'a line without id or amount'
      WHEN len(list_filter(t.r.refunds, LAMBDA f: f.legacyResourceId IS NULL OR TRY_CAST(f.totalRefundedSet.shopMoney.amount AS DECIMAL(18,4)) IS NULL OR coalesce(TRY_CAST(f.processedAt AS TIMESTAMPTZ), TRY_CAST(f.createdAt AS TIMESTAMPTZ)) IS NULL)) > 0 THEN 'a refund without id, time or amount'
    END AS reason
  FROM typed AS t
  CROSS JOIN shop AS s
),
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY key, updated_at, reason ORDER BY digest) AS rank FROM named
)
SELECT
  * EXCLUDE (rank, digest, record),
  CASE WHEN reason IS NOT NULL THEN record END AS raw,
  CAST(timezone($timezone, updated_at) AS DATE) AS day,
  CAST(timezone($timezone, ordered_at) AS DATE) AS business_on,
  timezone(timezone, ordered_at) AS local_at
FROM ranked
WHERE rank = 1
