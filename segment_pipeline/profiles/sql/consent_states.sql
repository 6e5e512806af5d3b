-- One row per (identifier type, identifier, channel) of marketing consent as of the end of the day: the newest statement
-- counts, a denial wins a tie. Statements about a customer are keyed source:key like identifiers.
SELECT identifier_type, identifier, channel, granted, recorded_at
FROM (
    SELECT
        identifier_type,
        CASE WHEN identifier_type = 'customer_key' AND identifier NOT LIKE '%:%' THEN concat_ws(':', source, identifier) ELSE identifier END AS identifier,
        channel, recorded_at,
        status = 'granted' AS granted,
        row_number() OVER (
            PARTITION BY
                identifier_type,
                CASE WHEN identifier_type = 'customer_key' AND identifier NOT LIKE '%:%' THEN concat_ws(':', source, identifier) ELSE identifier END,
                channel
            ORDER BY recorded_at DESC, CASE WHEN status = 'denied' THEN 0 ELSE 1 END
        ) AS place
    FROM consents
    WHERE recorded_at < $end AND purpose = 'marketing'
) AS statements
WHERE place = 1
