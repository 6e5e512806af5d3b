-- One row per version of a product received: the typed record, or the reason why it cannot be mapped.
WITH typed AS (
  SELECT record, md5(record) AS digest, from_json(record, '{
    "legacyResourceId": "VARCHAR", "title": "VARCHAR", "vendor": "VARCHAR", "productType": "VARCHAR", "updatedAt": "VARCHAR",
    "publishedAt": "VARCHAR", "category": {"name": "VARCHAR"}, "collections": {"nodes": [{"title": "VARCHAR"}]},
    "department": {"value": "VARCHAR"}, "launchedOn": {"value": "VARCHAR"},
    "priceRangeV2": {"minVariantPrice": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
    "variants": {"nodes": [{"sku": "VARCHAR"}]}
  }') AS r
  FROM raw_products
),
named AS (
  SELECT
    coalesce(nullif(r.legacyResourceId, ''), digest) AS key,
    TRY_CAST(r.updatedAt AS TIMESTAMPTZ) AS updated_at,
    r,
    digest,
    record,
    CASE
      WHEN json_type(record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(r.legacyResourceId, '') IS NULL THEN 'no id'
      WHEN TRY_CAST(r.updatedAt AS TIMESTAMPTZ) IS NULL THEN 'updatedAt is not a time'
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
