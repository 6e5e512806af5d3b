-- One row per product: its version of as_of or earlier; where only later ones are held, the earliest of them.
SELECT
    p.source, p.product_key, p.product_no, p.skus, p.item_key, p.title, p.brand, p.department, p.category, p.collection, p.price,
    p.launched_on
FROM product_versions AS p
LEFT JOIN chosen_products AS c ON c.product_no = p.product_no
WHERE c.product_no IS NULL OR (c.updated_at = p.updated_at AND c.day = p.day)
