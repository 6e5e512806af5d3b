-- One row per customer key that names nobody: listed by the company, or a placeholder its source holds no account by.
SELECT n.source, n.customer_key, key_number('customer', n.source, n.customer_key) AS customer_no, CAST(max(n.times) AS BIGINT) AS times,
    CASE WHEN max(l.customer_key) IS NOT NULL THEN 'listed' ELSE min(p.reason) END AS reason
FROM (
    SELECT source, customer_key, sum(times) AS times
    FROM named_keys
    WHERE regexp_matches(customer_key, $customer_key_patterns) OR customer_key IN (SELECT customer_key FROM listed_keys)
    GROUP BY source, customer_key
) AS n
LEFT JOIN listed_keys AS l ON l.customer_key = n.customer_key AND coalesce(l.source, n.source) = n.source
LEFT JOIN (
    SELECT DISTINCT source, customer_key FROM customers WHERE entity = 'customer' AND created_at < $end
) AS a ON a.source = n.source AND a.customer_key = n.customer_key
LEFT JOIN blocked AS p
    ON p.identifier_type = 'customer_key' AND a.customer_key IS NULL AND regexp_matches(n.customer_key, p.pattern)
WHERE l.customer_key IS NOT NULL OR p.reason IS NOT NULL
GROUP BY n.source, n.customer_key
