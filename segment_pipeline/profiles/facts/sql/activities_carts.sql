-- One row per product left in a cart of a person.
SELECT
    r.profile_id, r.person_no, 'cart_abandoned' AS name, 'carts' AS told_by, c.changed_at AS occurred_at, c.changed_on AS occurred_on,
    c.source, c.product_key, coalesce(p.item_key, concat_ws(':', c.source, c.product_key)) AS item_key, p.brand, p.department,
    p.category, p.collection, p.launched_on
FROM cart_products AS c
JOIN activity_persons AS r
    ON r.source = c.source
    AND r.entity = CASE WHEN c.customer_key IS NULL THEN 'cart' ELSE 'customer' END
    AND r.record_key = coalesce(c.customer_key, c.cart_key)
LEFT JOIN products_as_of AS p ON p.source = c.source AND p.product_key = c.product_key
WHERE c.changed_on >= $since
