-- One row per destination key to be held, with everyone who owns it, for tools that hold each tuple as a row of its own.
SELECT
    key,
    min(identifiers) AS identifiers,
    list_sort(array_agg(profile_id)) AS owners,
    min(attributes) AS attributes,
    substr(sha256(coalesce(min(attributes), '')), 1, 32) AS payload_hash
FROM keyed
GROUP BY key
