-- One row per version of a customer received: the typed record, or the reason why it cannot be mapped.
WITH typed AS (
  SELECT record, md5(record) AS digest, from_json(record, '{
    "legacyResourceId": "VARCHAR", "firstName": "VARCHAR", "lastName": "VARCHAR", "createdAt": "VARCHAR", "updatedAt": "VARCHAR",
    "locale": "VARCHAR", "dataSaleOptOut": "BOOLEAN",
    "defaultEmailAddress": {"emailAddress": "VARCHAR", "marketingState": "VARCHAR", "marketingUpdatedAt": "VARCHAR"},
    "defaultPhoneNumber": {"phoneNumber": "VARCHAR", "smsMarketingConsent": {"state": "VARCHAR", "updatedAt": "VARCHAR"}},
    "defaultAddress": {"address1": "VARCHAR", "city": "VARCHAR", "provinceCode": "VARCHAR", "zip": "VARCHAR", "countryCodeV2": "VARCHAR"},
    "gender": {"value": "VARCHAR"}, "birthDate": {"value": "VARCHAR"}
  }') AS r
  FROM raw_customers
),
named AS (
  SELECT
    coalesce(nullif(r.legacyResourceId, ''), digest) AS key,
    TRY_CAST(r.updatedAt AS TIMESTAMPTZ) AS updated_at,
    TRY_CAST(r.createdAt AS TIMESTAMPTZ) AS created_at,
    r,
    r.defaultEmailAddress.emailAddress AS email_raw,
    r.defaultPhoneNumber.phoneNumber AS phone_raw,
    r.defaultAddress.countryCodeV2 AS phone_country,
    digest,
    record,
    CASE
      WHEN json_type(record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(r.legacyResourceId, '') IS NULL THEN 'no id'
      WHEN TRY_CAST(r.updatedAt AS TIMESTAMPTZ) IS NULL THEN 'updatedAt is not a time'
      WHEN TRY_CAST(r.createdAt AS TIMESTAMPTZ) IS NULL THEN 'createdAt is not a time'
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
