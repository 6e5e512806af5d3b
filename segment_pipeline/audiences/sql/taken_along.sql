-- One row per staying key that a removal takes along, because the tool matches on any identifier: it is sent again after it.
SELECT DISTINCT s.key, r.kind
FROM removals AS r
JOIN leaving_long AS l ON l.key = r.key
JOIN carriers AS s ON s.carries = l.carries
WHERE r.surplus
