-- One row per (source, identifier) that accounts which are gone carried and no account that is there carried beside them: when the
-- last of them ended. What they said yes to ended with them. An account is asked after once a week: it may have ended that long
-- before it was noticed, and who got the identifier since is no proof that it was carried on.
WITH gone AS (
    SELECT DISTINCT source, customer_key
    FROM customers
    WHERE entity = 'customer' AND deleted_on IS NOT NULL
),
met AS (
    SELECT DISTINCT c.source, c.email, c.phone
    FROM customers AS c
    JOIN gone AS g ON g.source = c.source AND g.customer_key = c.customer_key
    WHERE c.entity = 'customer'
),
-- Most accounts are there and share nothing with one that is gone: those are not looked at.
concerned AS (
    SELECT source, customer_key FROM gone
    UNION
    SELECT c.source, c.customer_key
    FROM customers AS c
    JOIN met AS m ON m.source = c.source AND m.email = c.email
    WHERE c.entity = 'customer'
    UNION
    SELECT c.source, c.customer_key
    FROM customers AS c
    JOIN met AS m ON m.source = c.source AND m.phone = c.phone
    WHERE c.entity = 'customer'
),
versions AS (
    SELECT
        c.source,
        c.customer_key,
        c.email,
        c.phone,
        c.deleted_on,
        row_number() OVER (
            PARTITION BY c.source, c.customer_key ORDER BY c.updated_at DESC, CASE WHEN c.deleted_on IS NULL THEN 1 ELSE 0 END
        ) AS place,
        CASE
            WHEN row_number() OVER (PARTITION BY c.source, c.customer_key ORDER BY c.updated_at, c.created_at) = 1 THEN c.created_at
            ELSE c.updated_at
        END AS since
    FROM customers AS c
    JOIN concerned AS n ON n.source = c.source AND n.customer_key = c.customer_key
    WHERE c.entity = 'customer'
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
