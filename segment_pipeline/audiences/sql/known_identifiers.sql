-- One row per usable identifier of a person, with the number of people who share it.
-- Golden identifiers (the ones profiles chose to use) are marked; blocked and over-shared ones are not here at all.
SELECT
    i.profile_id,
    i.identifier_type,
    i.identifier,
    max(i.last_seen_at) AS last_seen_at,
    bool_or(coalesce(i.identifier = CASE i.identifier_type WHEN 'email' THEN p.email WHEN 'phone' THEN p.phone END, FALSE)) AS golden,
    count(*) OVER (PARTITION BY i.identifier_type, i.identifier) AS owners
FROM profile_identifiers AS i
LEFT JOIN profiles AS p ON p.profile_id = i.profile_id
WHERE i.usable
GROUP BY i.profile_id, i.identifier_type, i.identifier
