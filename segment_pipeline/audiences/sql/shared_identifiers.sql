-- One row per identifier of more than one person, of the types anybody made a statement about.
SELECT k.identifier_type, k.identifier
FROM known_identifiers AS k
JOIN (SELECT DISTINCT identifier_type FROM consent_now) AS t ON t.identifier_type = k.identifier_type
GROUP BY k.identifier_type, k.identifier
HAVING count(*) > 1
