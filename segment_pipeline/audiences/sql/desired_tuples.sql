-- One row per destination key to be held, for tools that hold each tuple as a row of its own: how many own it, and the first.
-- `speaker`: a person whose identifiers and attributes are sent.
SELECT
    key,
    min(profile_id) AS owner,
    count(*) AS owners,
    min(profile_id) AS speaker,
    min(attributes) AS attributes
FROM keyed
GROUP BY key
