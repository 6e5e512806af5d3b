-- One row per key that explicit denials were to take out and that is not known to be out.
SELECT d.key
FROM denied_keys AS d
JOIN accounted AS a ON a.key = d.key
WHERE a.heading <> 'removed'
