-- One row per version of a customer received: the typed record, or the reason why it cannot be mapped.
WITH typed AS (
  SELECT
    record,
    md5(record) AS digest,
    from_json(record, '{
      "id": "VARCHAR", "created_at": "VARCHAR", "updated_at": "VARCHAR", "given_name": "VARCHAR", "family_name": "VARCHAR",
      "email_address": "VARCHAR", "phone_number": "VARCHAR", "birthday": "VARCHAR", "reference_id": "VARCHAR",
      "creation_source": "VARCHAR", "version": "BIGINT", "group_ids": ["VARCHAR"],
      "preferences": {"email_unsubscribed": "BOOLEAN"},
      "address": {"address_line_1": "VARCHAR", "locality": "VARCHAR", "administrative_district_level_1": "VARCHAR",
        "postal_code": "VARCHAR", "country": "VARCHAR"}
    }') AS r
  FROM raw_customers
),
named AS (
  SELECT
    coalesce(nullif(r.id, ''), digest) AS key,
    TRY_CAST(r.updated_at AS TIMESTAMPTZ) AS updated_at,
    TRY_CAST(r.created_at AS TIMESTAMPTZ) AS created_at,
    r,
    r.email_address AS email_raw,
    r.phone_number AS phone_raw,
    r.address.country AS phone_country,
    digest,
    record,
    CASE
      WHEN json_type(record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(r.id, '') IS NULL THEN 'no id'
      WHEN TRY_CAST(r.updated_at AS TIMESTAMPTZ) IS NULL THEN 'updated_at is not a time'
      WHEN TRY_CAST(r.created_at AS TIMESTAMPTZ) IS NULL THEN 'created_at is not a time'
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
