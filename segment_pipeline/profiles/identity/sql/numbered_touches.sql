-- One row per touch that tells how to reach its record, or with which device it was made.
SELECT r.record_no, t.entity, t.email, t.phone, t.anonymous_id, t.first_name, t.last_name, t.seen_at, t.times
FROM touches AS t
JOIN records AS r ON r.class IN ('account', 'named', 'guest') AND r.source = t.source AND r.entity = t.entity AND r.record_key = t.record_key
WHERE t.email IS NOT NULL OR t.phone IS NOT NULL OR t.anonymous_id IS NOT NULL
