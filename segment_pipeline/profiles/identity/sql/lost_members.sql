-- One row per record of each profile_id that was published and is not produced at the newest as_of, in the last snapshot
-- that had the id; `is_anchor`: the id is this record's digest.
SELECT DISTINCT
    p.profile_id AS old_profile_id, p.as_of AS last_on, p.source, p.entity, p.record_key,
    substr(sha256(concat_ws('|', p.source, p.entity, p.record_key)), 1, 32) = p.profile_id AS is_anchor
FROM past_identities AS p
JOIN (
    SELECT h.profile_id, h.last_on
    FROM (SELECT profile_id, max(as_of) AS last_on FROM past_identities GROUP BY profile_id) AS h
    LEFT JOIN (SELECT DISTINCT profile_id FROM identities_newest) AS living ON living.profile_id = h.profile_id
    WHERE living.profile_id IS NULL
) AS l ON l.profile_id = p.profile_id AND l.last_on = p.as_of
