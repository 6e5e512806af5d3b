-- One row per batch of a plan: how much it changes, and a digest of what it sends.
SELECT
    batch,
    min(operation) AS operation,
    count(*) AS rows,
    sha256(string_agg(operation || ':' || cause || ':' || key || ':' || identifiers || ':' || payload_hash, ',' ORDER BY key)) AS digest
FROM batched
GROUP BY batch
ORDER BY batch
