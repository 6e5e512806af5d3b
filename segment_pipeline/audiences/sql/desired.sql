-- One row per destination key to be held, with a digest of the attributes it is to have; `nothing` is the digest of none.
SELECT
    key,
    owner,
    speaker,
    attributes,
    CASE WHEN attributes IS NULL THEN $nothing ELSE substr(sha256(attributes), 1, 32) END AS payload_hash
FROM desired_keys
