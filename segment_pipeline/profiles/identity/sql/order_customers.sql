-- One row per (source, customer) that orders of whatever day name, and how many versions do.
SELECT source, customer_key, count(*) AS times
FROM order_versions
WHERE customer_key IS NOT NULL
GROUP BY source, customer_key
