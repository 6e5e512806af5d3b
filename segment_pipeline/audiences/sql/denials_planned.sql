-- One row per key that explicit denials take out: of the plan, and those the tool refused lately to let go.
SELECT key FROM planned WHERE kind = 'denials' AND operation = 'remove'
UNION
SELECT d.key
FROM denied_keys AS d
JOIN leaving_held AS h ON h.key = d.key
WHERE h.stuck
