-- One row per product: its version of the day, by its number within the session.
SELECT n.product_no, p.item_key, p.brand, p.department, p.category, p.collection, p.launched_on
FROM products_as_of AS p
JOIN product_numbers AS n ON n.source = p.source AND n.product_key = p.product_key
