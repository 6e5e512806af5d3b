-- One row per customer that orders name and who is nobody by the snapshot: a placeholder, or what the company says names nobody.
SELECT DISTINCT o.customer_no
FROM order_versions AS o
WHERE o.customer_no IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM identities_as_of AS i WHERE i.entity = 'customer' AND i.key_no = o.customer_no)
