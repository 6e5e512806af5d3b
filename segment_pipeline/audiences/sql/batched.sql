-- One row per change of one plan with the batch it goes out in; batch 0 is not sent.
SELECT
    CAST(CASE WHEN p.in_place THEN 0 ELSE f.first + (p.place - 1) // f.most END AS INTEGER) AS batch,
    p.operation,
    p.cause,
    p.key,
    p.identifiers,
    p.vendor_id,
    p.attributes,
    p.payload_hash,
    p.owners
FROM (
    SELECT *, row_number() OVER (PARTITION BY phase ORDER BY key) AS place
    FROM phased
) AS p
JOIN phases AS f ON f.phase = p.phase
