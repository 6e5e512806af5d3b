-- One row per record known by a device or browser id alone: the device itself, and orders and carts that name nothing else.
SELECT record_no, record_key AS anonymous_id
FROM records
WHERE class = 'device'
UNION ALL
SELECT r.record_no, t.anonymous_id
FROM touches AS t
JOIN records AS r ON r.source = t.source AND r.entity = t.entity AND r.record_key = t.record_key
WHERE t.customer_key IS NULL AND t.email IS NULL AND t.phone IS NULL AND t.anonymous_id IS NOT NULL
