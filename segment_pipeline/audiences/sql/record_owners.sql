-- One row per eligible person with the key of the tool's record they are part of.
SELECT k.profile_id, coalesce(r2.record, r1.record, k.key) AS key
FROM keyed AS k
LEFT JOIN record_keys AS r1 ON r1.key = k.key
LEFT JOIN record_keys AS r2 ON r2.key = r1.record
