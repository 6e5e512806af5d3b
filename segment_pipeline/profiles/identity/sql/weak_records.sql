-- One row per record known by a device or browser id alone: the device itself, and orders and carts that name nothing else.
SELECT record_no, record_key AS anonymous_id
FROM records
WHERE class = 'device'
UNION ALL
SELECT record_no, anonymous_id
FROM numbered_touches
WHERE entity <> 'customer' AND email IS NULL AND phone IS NULL
