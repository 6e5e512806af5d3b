-- One row per destination key still of interest, with its owners as they are now.
SELECT
    m.audience,
    m.key,
    m.identifiers,
    coalesce(c.owners, m.owners) AS owners,
    m.vendor_id,
    m.payload_hash,
    m.state,
    m.refused,
    m.since,
    m.refreshed_at,
    m.digest
FROM members_to_keep AS m
LEFT JOIN compared AS c ON c.key = m.key
WHERE coalesce(c.change, '') <> 'forgotten'
