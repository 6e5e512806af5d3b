-- One row per identifier anybody made a statement about in this channel for this purpose: its newest, denied before granted.
SELECT identifier_type, identifier, status, recorded_at
FROM (
    SELECT
        identifier_type,
        identifier,
        status,
        recorded_at,
        row_number() OVER (PARTITION BY identifier_type, identifier ORDER BY recorded_at DESC, status) AS place
    FROM (
        SELECT
            identifier_type,
            CASE
                WHEN identifier_type = 'customer_key' AND NOT starts_with(identifier, source || ':')
                    THEN source || ':' || identifier
                ELSE identifier
            END AS identifier,
            status,
            recorded_at
        FROM consents
        WHERE channel = $channel AND purpose = $purpose
    )
)
WHERE place = 1
