-- One row per identifier a person is known by, devices included.
SELECT CAST($as_of AS DATE) AS as_of, profile_id, identifier_type, identifier, last_seen_at, usable, standing
FROM person_identifiers
UNION ALL
SELECT CAST($as_of AS DATE), k.profile_id, 'anonymous_id', d.anonymous_id, coalesce(v.last_at, d.created_at), TRUE, 'current'
FROM (
    SELECT p.person_no, w.anonymous_id, max(r.created_at) AS created_at
    FROM weak_records AS w
    JOIN person_records AS p ON p.record_no = w.record_no
    JOIN records AS r ON r.record_no = w.record_no
    GROUP BY p.person_no, w.anonymous_id
) AS d
JOIN known_people AS k ON k.person_no = d.person_no
LEFT JOIN (
    SELECT anonymous_id, max(last_at) AS last_at FROM visits_by_contact WHERE anonymous_id IS NOT NULL GROUP BY anonymous_id
) AS v ON v.anonymous_id = d.anonymous_id
