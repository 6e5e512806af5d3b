-- One row per staying key and identifier it has in common with a leaving key. `strongest`: it is what the staying key is known by.
SELECT k.key, k.carries, k.strongest
FROM keyed_identifiers AS k
JOIN (SELECT DISTINCT carries FROM leaving_long) AS l ON l.carries = k.carries
JOIN desired_keys AS d ON d.key = k.key
LEFT JOIN (SELECT key FROM compared WHERE change = 'refused') AS r ON r.key = k.key
WHERE r.key IS NULL
