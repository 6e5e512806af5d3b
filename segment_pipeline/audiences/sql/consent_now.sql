-- One row per identifier anybody made a statement about in this channel for this purpose: its newest, denied before granted.
SELECT
    identifier_type,
    identifier,
    CASE WHEN granted_at IS NULL OR denied_at >= granted_at THEN 'denied' ELSE 'granted' END AS status,
    CASE WHEN granted_at IS NULL OR denied_at >= granted_at THEN denied_at ELSE granted_at END AS recorded_at
FROM (
    SELECT
        identifier_type,
        identifier,
        max(CASE WHEN status = 'granted' THEN recorded_at END) AS granted_at,
        max(CASE WHEN status = 'denied' THEN recorded_at END) AS denied_at
    FROM consent_statements
    WHERE channel = $channel AND purpose = $purpose AND ended_on IS NULL
    GROUP BY identifier_type, identifier
)
