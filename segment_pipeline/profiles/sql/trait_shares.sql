-- One row per (person, dimension, value), with its share of the person's spend of known value; NULL: no spend to share.
SELECT
    CAST($as_of AS DATE) AS as_of, profile_id, dimension, value,
    CAST(spend_365d AS DECIMAL(18,4)) AS spend_365d,
    CASE WHEN sum(spend_365d) OVER w > 0 THEN CAST(spend_365d AS DOUBLE) / CAST(sum(spend_365d) OVER w AS DOUBLE) END AS share_365d,
    CAST(spend_total AS DECIMAL(18,4)) AS spend_total,
    CASE WHEN sum(spend_total) OVER w > 0 THEN CAST(spend_total AS DOUBLE) / CAST(sum(spend_total) OVER w AS DOUBLE) END AS share_total
FROM shares
WINDOW w AS (PARTITION BY profile_id, dimension)
