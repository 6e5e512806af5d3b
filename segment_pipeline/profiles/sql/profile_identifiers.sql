-- One row per identifier a person is known by, devices included.
SELECT CAST($as_of AS DATE) AS as_of, profile_id, identifier_type, identifier, last_seen_at, usable
FROM person_identifiers
UNION ALL
SELECT
    CAST($as_of AS DATE), p.profile_id, 'anonymous_id', w.anonymous_id,
    coalesce(max(v.last_at), max(p.created_at)), TRUE
FROM weak_records AS w
JOIN resolved AS p ON p.record_no = w.record_no
LEFT JOIN (
    SELECT anonymous_id, max(last_at) AS last_at FROM visits_by_contact GROUP BY anonymous_id
) AS v ON v.anonymous_id = w.anonymous_id
GROUP BY p.profile_id, w.anonymous_id
