-- One row per record known by the end of as_of, numbered from the oldest: record_no orders by (the record's own creation,
-- source, entity, key), so that the smallest number among a person's records is the anchor.
-- `class`: account (held by its source), named (a customer other records name and its source no longer holds), guest
-- (an order or cart without a customer), device, address. An account the company lists as nobody's is no record. `key_no`: an account's
-- number; NULL: none of those.
WITH known AS (
    SELECT source, entity, customer_key, key_no, created_at FROM account_versions
)
SELECT
    row_number() OVER (ORDER BY created_at, source, entity, record_key) AS record_no,
    source, entity, record_key, key_no, class, created_at
FROM (
    SELECT a.source, a.entity, a.customer_key AS record_key, a.key_no, 'account' AS class, a.created_at
    FROM known AS a
    LEFT JOIN nameless_keys AS n ON a.entity = 'customer' AND n.source = a.source AND n.customer_key = a.customer_key
    WHERE n.customer_key IS NULL
    UNION ALL
    SELECT n.source, 'customer' AS entity, n.customer_key AS record_key, CAST(NULL AS BIGINT) AS key_no, 'named' AS class, min(n.first_at) AS created_at
    FROM (
        SELECT source, record_key AS customer_key, created_at AS first_at FROM touches WHERE entity = 'customer'
        UNION ALL
        SELECT customer_source AS source, customer_key, first_at FROM contacts WHERE customer_key IS NOT NULL
    ) AS n
    LEFT JOIN known AS a ON a.source = n.source AND a.entity = 'customer' AND a.customer_key = n.customer_key
    WHERE a.customer_key IS NULL
    GROUP BY n.source, n.customer_key
    UNION ALL
    SELECT source, entity, record_key, CAST(NULL AS BIGINT) AS key_no, 'guest' AS class, created_at
    FROM touches
    WHERE entity <> 'customer'
    UNION ALL
    SELECT source, 'device' AS entity, anonymous_id AS record_key, CAST(NULL AS BIGINT) AS key_no, 'device' AS class, min(first_at) AS created_at
    FROM visits_by_contact
    WHERE anonymous_id IS NOT NULL
    GROUP BY source, anonymous_id
    UNION ALL
    SELECT source, 'email' AS entity, record_key, CAST(NULL AS BIGINT) AS key_no, 'address' AS class, first_at AS created_at
    FROM addresses
) AS found
