-- One row per customer key and place that names it: orders, carts, events, messages, answers, loyalty accounts. Keys of a source
-- that names another's customers are read in that source.
SELECT source, customer_key, times FROM order_customers
UNION ALL
SELECT source, customer_key, count(*) FROM carts WHERE customer_key IS NOT NULL GROUP BY source, customer_key
UNION ALL
SELECT customer_source, customer_key, sum(events) FROM seen_contacts WHERE customer_key IS NOT NULL GROUP BY customer_source, customer_key
UNION ALL
SELECT coalesce(k.owner, s.source), s.customer_key, count(*)
FROM (
    SELECT source, customer_key FROM messages WHERE customer_key IS NOT NULL
    UNION ALL
    SELECT source, customer_key FROM survey_answers WHERE customer_key IS NOT NULL
) AS s
LEFT JOIN key_spaces AS k ON k.source = s.source
GROUP BY coalesce(k.owner, s.source), s.customer_key
UNION ALL
SELECT source, owner_key, count(*) FROM customers WHERE owner_key IS NOT NULL GROUP BY source, owner_key
UNION ALL
SELECT a.source, a.customer_key, 0
FROM customers AS a
JOIN listed_keys AS l ON l.customer_key = a.customer_key
WHERE a.entity = 'customer'
