-- One row per order held in more than one version.
SELECT source, order_key
FROM order_versions
GROUP BY source, order_key
HAVING count(*) > 1
