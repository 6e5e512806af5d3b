-- One row per (identifier type, identifier, channel) of marketing consent as of the end of the day: the newest statement
-- counts, a denial wins a tie. Statements about a customer are keyed source:key like identifiers.
SELECT
    identifier_type, identifier, channel,
    coalesce(max(recorded_at) FILTER (WHERE status <> 'granted') < max(recorded_at), TRUE) AS granted,
    max(recorded_at) AS recorded_at
FROM (
    SELECT
        identifier_type,
        CASE
            WHEN identifier_type = 'customer_key' AND identifier NOT LIKE '%:%' THEN concat_ws(':', source, identifier)
            ELSE identifier
        END AS identifier,
        channel, status, recorded_at
    FROM consents
    WHERE recorded_at < $end AND purpose = 'marketing'
) AS statements
GROUP BY identifier_type, identifier, channel
