-- One row per account held in more than one version.
SELECT key_no
FROM customers
GROUP BY key_no
HAVING count(*) > 1
