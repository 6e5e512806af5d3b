-- One row per address met, with its record's number.
SELECT r.record_no, a.source, a.email, a.last_at
FROM addresses AS a
JOIN records AS r ON r.class = 'address' AND r.source = a.source AND r.record_key = a.record_key
