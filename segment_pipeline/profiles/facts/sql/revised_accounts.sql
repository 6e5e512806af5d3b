-- One row per account held in more than one version.
SELECT source, entity, customer_key
FROM customers
GROUP BY source, entity, customer_key
HAVING count(*) > 1
