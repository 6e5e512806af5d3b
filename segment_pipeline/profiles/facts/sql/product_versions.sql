-- One row per version of a product held, of whatever day. `item_key`: its SKUs, sorted; products with a SKU in common are one article.
SELECT
    source, product_key, product_no, updated_at, skus,
    coalesce(nullif(array_to_string(list_sort(list_distinct(skus)), '|'), ''), concat_ws(':', source, product_key)) AS item_key,
    title, brand, department, category, collection, price, launched_on, day
FROM products
