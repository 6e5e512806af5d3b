-- One row per destination key still of interest, with its owners as they are now.
SELECT
    m.key,
    m.identifiers,
    CASE WHEN d.key IS NULL THEN m.owners ELSE coalesce(o.owners, [d.owner]) END AS owners,
    m.vendor_id,
    m.payload_hash,
    m.state,
    m.refused,
    m.since,
    m.refreshed_at,
    m.digest
FROM members_to_keep AS m
LEFT JOIN compared AS c ON c.key = m.key
LEFT JOIN desired AS d ON d.key = m.key
LEFT JOIN desired_owners AS o ON o.key = m.key
WHERE coalesce(c.change, '') <> 'forgotten'
