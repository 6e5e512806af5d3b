-- One row per change of a plan with what came of it. A rejected row is rejected whatever became of the rest of its batch.
SELECT
    p.batch,
    p.operation,
    p.cause,
    p.key,
    p.identifiers,
    p.vendor_id,
    p.payload_hash,
    p.owners,
    f.reason,
    CASE
        WHEN p.batch = 0 THEN 'untouched'
        WHEN f.reason = $withheld THEN 'withheld'
        WHEN f.key IS NOT NULL THEN 'rejected'
        WHEN b.state = 'final' THEN 'done'
        WHEN b.state IN ('attempted', 'uncertain') THEN 'uncertain'
        ELSE 'untouched'
    END AS result
FROM plan_rows AS p
LEFT JOIN batch_states AS b ON b.batch = p.batch
LEFT JOIN refusals AS f ON f.batch = p.batch AND f.key = p.key
