-- One row per (source, identifier) that accounts which are gone carried and no account that is there carries: when the last of
-- them ended. What they said yes to ended with them.
WITH newest AS (
    SELECT source, customer_key, email, phone, deleted_on
    FROM (
        SELECT
            *,
            row_number() OVER (
                PARTITION BY source, customer_key ORDER BY updated_at DESC, CASE WHEN deleted_on IS NULL THEN 1 ELSE 0 END
            ) AS place
        FROM customers
        WHERE entity = 'customer'
    ) AS versions
    WHERE place = 1
),
carried AS (
    SELECT c.source, 'email' AS identifier_type, c.email AS identifier, n.deleted_on
    FROM customers AS c JOIN newest AS n ON n.source = c.source AND n.customer_key = c.customer_key
    WHERE n.deleted_on IS NOT NULL AND c.entity = 'customer' AND c.email IS NOT NULL
    UNION ALL
    SELECT c.source, 'phone', c.phone, n.deleted_on
    FROM customers AS c JOIN newest AS n ON n.source = c.source AND n.customer_key = c.customer_key
    WHERE n.deleted_on IS NOT NULL AND c.entity = 'customer' AND c.phone IS NOT NULL
    UNION ALL
    SELECT source, 'customer_key', customer_key, deleted_on FROM newest WHERE deleted_on IS NOT NULL
)
SELECT g.source, g.identifier_type, g.identifier, max(g.deleted_on) AS ended_on
FROM carried AS g
LEFT JOIN (
    SELECT source, 'email' AS identifier_type, email AS identifier FROM newest WHERE deleted_on IS NULL AND email IS NOT NULL
    UNION
    SELECT source, 'phone', phone FROM newest WHERE deleted_on IS NULL AND phone IS NOT NULL
) AS h ON h.source = g.source AND h.identifier_type = g.identifier_type AND h.identifier = g.identifier
WHERE h.identifier IS NULL
GROUP BY g.source, g.identifier_type, g.identifier
