-- One row per version of a checkout received: the typed record, or the reason why it cannot be mapped.
WITH typed AS (
  SELECT record, md5(record) AS digest, from_json(record, '{
    "id": "VARCHAR", "createdAt": "VARCHAR", "updatedAt": "VARCHAR", "completedAt": "VARCHAR",
    "customer": {"legacyResourceId": "VARCHAR", "defaultEmailAddress": {"emailAddress": "VARCHAR"}, "defaultPhoneNumber": {"phoneNumber": "VARCHAR"}},
    "shippingAddress": {"phone": "VARCHAR", "countryCodeV2": "VARCHAR"}, "billingAddress": {"phone": "VARCHAR", "countryCodeV2": "VARCHAR"},
    "subtotalPriceSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
    "lineItems": {"nodes": [{"sku": "VARCHAR", "title": "VARCHAR", "quantity": "BIGINT", "product": {"legacyResourceId": "VARCHAR"}}]}
  }') AS r
  FROM raw_checkouts
),
named AS (
  SELECT
    coalesce(nullif(list_aggregate(string_split(r.id, '/'), 'last'), ''), digest) AS key,
    TRY_CAST(r.updatedAt AS TIMESTAMPTZ) AS updated_at,
    TRY_CAST(r.createdAt AS TIMESTAMPTZ) AS created_at,
    r,
    nullif(trim(r.customer.defaultEmailAddress.emailAddress), '') AS email_raw,
    coalesce(nullif(trim(r.customer.defaultPhoneNumber.phoneNumber), ''), nullif(trim(r.shippingAddress.phone), ''), nullif(trim(r.billingAddress.phone), '')) AS phone_raw,
    coalesce(r.shippingAddress.countryCodeV2, r.billingAddress.countryCodeV2) AS phone_country,
    digest,
    record,
    CASE
      WHEN json_type(record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(r.id, '') IS NULL THEN 'no id'
      WHEN TRY_CAST(r.updatedAt AS TIMESTAMPTZ) IS NULL THEN 'updatedAt is not a time'
      WHEN TRY_CAST(r.createdAt AS TIMESTAMPTZ) IS NULL THEN 'createdAt is not a time'
      WHEN TRY_CAST(r.subtotalPriceSet.shopMoney.amount AS DECIMAL(18,4)) IS NULL OR r.subtotalPriceSet.shopMoney.currencyCode IS NULL THEN 'no amount'
      WHEN r.lineItems.nodes IS NULL THEN 'lineItems is not a list'
    END AS reason
  FROM typed
),
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY key, updated_at, reason ORDER BY digest) AS rank FROM named
)
SELECT
  * EXCLUDE (rank, digest, record),
  CASE WHEN reason IS NOT NULL THEN record END AS raw,
  CAST(timezone($timezone, updated_at) AS DATE) AS day
FROM ranked
WHERE rank = 1
