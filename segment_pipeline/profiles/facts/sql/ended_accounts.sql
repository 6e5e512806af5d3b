-- One row per (source, identifier) that accounts which are gone carried and no account that is there carried beside them: when the
-- last of them ended. What they said yes to ended with them. An account is asked after once a week: it may have ended that long
-- before it was noticed, and who got the identifier since is no proof that it was carried on.
WITH versions AS (
    SELECT
        source,
        customer_key,
        email,
        phone,
        deleted_on,
        row_number() OVER (
            PARTITION BY source, customer_key ORDER BY updated_at DESC, CASE WHEN deleted_on IS NULL THEN 1 ELSE 0 END
        ) AS place,
        CASE
            WHEN row_number() OVER (PARTITION BY source, customer_key ORDER BY updated_at, created_at) = 1 THEN created_at
            ELSE updated_at
        END AS since
    FROM customers
    WHERE entity = 'customer'
),
carried AS (
    SELECT c.source, 'email' AS identifier_type, c.email AS identifier, n.deleted_on
    FROM versions AS c JOIN versions AS n ON n.source = c.source AND n.customer_key = c.customer_key
    WHERE n.place = 1 AND n.deleted_on IS NOT NULL AND c.email IS NOT NULL
    UNION ALL
    SELECT c.source, 'phone', c.phone, n.deleted_on
    FROM versions AS c JOIN versions AS n ON n.source = c.source AND n.customer_key = c.customer_key
    WHERE n.place = 1 AND n.deleted_on IS NOT NULL AND c.phone IS NOT NULL
    UNION ALL
    SELECT source, 'customer_key', customer_key, deleted_on FROM versions WHERE place = 1 AND deleted_on IS NOT NULL
)
SELECT g.source, g.identifier_type, g.identifier, max(g.deleted_on) AS ended_on
FROM carried AS g
LEFT JOIN (
    SELECT n.source, 'email' AS identifier_type, n.email AS identifier, min(c.since) AS since
    FROM versions AS n JOIN versions AS c ON c.source = n.source AND c.customer_key = n.customer_key AND c.email = n.email
    WHERE n.place = 1 AND n.deleted_on IS NULL
    GROUP BY n.source, n.email
    UNION ALL
    SELECT n.source, 'phone', n.phone, min(c.since)
    FROM versions AS n JOIN versions AS c ON c.source = n.source AND c.customer_key = n.customer_key AND c.phone = n.phone
    WHERE n.place = 1 AND n.deleted_on IS NULL
    GROUP BY n.source, n.phone
) AS h ON h.source = g.source AND h.identifier_type = g.identifier_type AND h.identifier = g.identifier
    AND h.since < CAST(g.deleted_on - 6 AS TIMESTAMPTZ)
WHERE h.identifier IS NULL
GROUP BY g.source, g.identifier_type, g.identifier
