-- One row per order held in more than one version.
SELECT order_no
FROM order_versions
GROUP BY order_no
HAVING count(*) > 1
