-- One row per version of a catalog item received: the typed record, or the reason why it cannot be mapped.
WITH typed AS (
  SELECT record, md5(record) AS digest, json_type(record, '$.item_data.variations') AS variations_type, from_json(record, '{
    "type": "VARCHAR", "id": "VARCHAR", "updated_at": "VARCHAR", "version": "BIGINT", "is_deleted": "BOOLEAN",
    "custom_attribute_values": "JSON",
    "item_data": {
      "name": "VARCHAR",
      "category_id": "VARCHAR",
      "categories": [{"id": "VARCHAR"}],
      "reporting_category": {"id": "VARCHAR"},
      "variations": [{
        "id": "VARCHAR", "updated_at": "VARCHAR", "is_deleted": "BOOLEAN",
        "item_variation_data": {"name": "VARCHAR", "sku": "VARCHAR", "price_money": {"amount": "BIGINT", "currency": "VARCHAR"}}
      }]
    }
  }') AS r
  FROM raw_items
),
named AS (
  SELECT
    coalesce(nullif(r.id, ''), digest) AS key,
    TRY_CAST(r.updated_at AS TIMESTAMPTZ) AS updated_at,
    r,
    digest,
    record,
    CASE
      WHEN json_type(record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(r.id, '') IS NULL THEN 'no id'
      WHEN TRY_CAST(r.updated_at AS TIMESTAMPTZ) IS NULL THEN 'updated_at is not a time'
      WHEN variations_type NOT IN ('ARRAY', 'NULL') THEN 'variations is not a list'
      WHEN len(list_filter(r.item_data.variations, LAMBDA x: x.id IS NULL)) > 0 THEN 'a variation without id'
    END AS reason
  FROM typed
),
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY key, updated_at, reason ORDER BY coalesce(r.version, 0) DESC, digest) AS rank FROM named
)
SELECT
  * EXCLUDE (rank, digest, record),
  CASE WHEN reason IS NOT NULL THEN record END AS raw,
  CAST(timezone($timezone, updated_at) AS DATE) AS day
FROM ranked
WHERE rank = 1
