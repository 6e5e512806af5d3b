-- One row per added or leaving key whose owner stays in the audience under another key: a changed address, not a leave.
SELECT key FROM moved
UNION
SELECT c.key
FROM moved AS m
JOIN compared AS c ON c.key = m.desired_key
WHERE c.change = 'added'
