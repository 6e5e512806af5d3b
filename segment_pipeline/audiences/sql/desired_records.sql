-- One row per destination key to be held, with everyone who owns it, for tools that hold one record per person: the tuple that
-- speaks for the record owns the people of every tuple that is part of it.
SELECT
    k.key,
    min(k.identifiers) AS identifiers,
    list_sort(list_distinct(array_agg(o.profile_id))) AS owners,
    min(k.attributes) AS attributes,
    substr(sha256(coalesce(min(k.attributes), '')), 1, 32) AS payload_hash
FROM keyed AS k
JOIN (
    SELECT k.profile_id, coalesce(r2.record, r1.record, k.key) AS key
    FROM keyed AS k
    LEFT JOIN record_keys AS r1 ON r1.key = k.key
    LEFT JOIN record_keys AS r2 ON r2.key = r1.record
) AS o ON o.key = k.key
GROUP BY k.key
