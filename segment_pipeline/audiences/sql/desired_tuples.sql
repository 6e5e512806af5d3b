-- One row per destination key to be held, for tools that hold each tuple as a row of its own: how many own it, and the first.
-- `speaker`: a person whose identifiers are sent. `told_apart`: with its people different things would go along, and `payload_hash` is
-- not that of what does.
SELECT
    key,
    min(profile_id) AS owner,
    count(*) AS owners,
    min(profile_id) AS speaker,
    min(payload_hash) AS payload_hash,
    coalesce(min(payload_hash) <> max(payload_hash), FALSE) AS told_apart
FROM keyed
GROUP BY key
