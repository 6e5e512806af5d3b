-- One row per member the tool holds that is ours: we are alone there, or one of its identifiers was sent before, as plans of the
-- last months or the keyed hashes of ever tell.
SELECT key FROM tool_keyed WHERE $owned
UNION
SELECT t.key
FROM tool_long AS t
JOIN (SELECT DISTINCT carries FROM planned_long WHERE operation = 'upsert') AS p ON p.carries = t.carries
UNION
SELECT t.key
FROM tool_long AS t
JOIN (SELECT DISTINCT hash FROM sent_keys) AS s ON s.hash = sha256($outer_key || sha256($inner_key || t.carries))
