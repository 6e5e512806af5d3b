-- One row per usable identifier of a person, with the number of people who share it.
-- Golden identifiers (the ones profiles chose to use) are marked; blocked and over-shared ones are not here at all.
SELECT
    i.profile_id,
    i.identifier_type,
    i.identifier,
    i.last_seen_at,
    coalesce(i.identifier = CASE i.identifier_type WHEN 'email' THEN p.email WHEN 'phone' THEN p.phone END, FALSE) AS golden,
    coalesce(s.owners, 1) AS owners
FROM profile_identifiers AS i
LEFT JOIN profiles AS p ON p.profile_id = i.profile_id
LEFT JOIN (
    SELECT identifier_type, identifier, count(*) AS owners
    FROM profile_identifiers
    WHERE usable
    GROUP BY identifier_type, identifier
    HAVING count(*) > 1
) AS s ON s.identifier_type = i.identifier_type AND s.identifier = i.identifier
WHERE i.usable
