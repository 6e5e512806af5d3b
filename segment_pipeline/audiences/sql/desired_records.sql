-- One row per destination key to be held, for tools that hold one record per person: the tuple that speaks for the record owns
-- the people of every tuple that is part of it. `told_apart` as in `desired_tuples`.
SELECT
    s.key,
    o.owner,
    o.owners,
    s.speaker,
    s.payload_hash,
    s.told_apart
FROM (
    SELECT
        key,
        min(profile_id) AS speaker,
        min(payload_hash) AS payload_hash,
        coalesce(min(payload_hash) <> max(payload_hash), FALSE) AS told_apart
    FROM keyed
    GROUP BY key
) AS s
JOIN (SELECT key, min(profile_id) AS owner, count(*) AS owners FROM owned GROUP BY key) AS o ON o.key = s.key
