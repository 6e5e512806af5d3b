-- One row per destination key of an audience the tool lost, for the one made anew: there or not, nobody knows.
SELECT
    key,
    identifiers,
    owners,
    CAST(NULL AS VARCHAR) AS vendor_id,
    payload_hash,
    CASE WHEN state = 'rejected' THEN state ELSE 'uncertain' END AS state,
    refused,
    since,
    refreshed_at,
    digest
FROM members_of_old
