-- One row per refund held in more than one version.
SELECT source, refund_key
FROM refund_versions
GROUP BY source, refund_key
HAVING count(*) > 1
