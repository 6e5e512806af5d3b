-- One row per destination key to be held, with a digest of the attributes it is to have; `nothing` is the digest of none.
SELECT d.key, d.owner, d.speaker, coalesce(a.payload_hash, d.payload_hash, $nothing) AS payload_hash
FROM desired_keys AS d
LEFT JOIN told_apart AS a ON a.key = d.key
