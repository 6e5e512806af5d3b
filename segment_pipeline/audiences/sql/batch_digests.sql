-- One row per batch of a plan: how much it changes, and a digest of what it sends. Rows are digested one by one first: millions of
-- them are put in order in memory, and that does not spill.
SELECT
    batch,
    min(operation) AS operation,
    count(*) AS rows,
    sha256(string_agg(digest, ',' ORDER BY key)) AS digest
FROM (
    SELECT
        batch, operation, key,
        substr(sha256(operation || ':' || cause || ':' || key || ':' || identifiers || ':' || payload_hash), 1, 32) AS digest
    FROM batched
)
GROUP BY batch
ORDER BY batch
