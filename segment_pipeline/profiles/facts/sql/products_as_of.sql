-- One row per product: its version of as_of or earlier; where only later ones are held, the earliest of them. `item_key`: its SKUs,
-- sorted; products with a SKU in common are one article.
SELECT
    source, product_key, product_no, skus,
    coalesce(nullif(array_to_string(list_sort(list_distinct(skus)), '|'), ''), concat_ws(':', source, product_key)) AS item_key,
    title, brand, department, category, collection, price, launched_on
FROM (
    SELECT
        p.*,
        row_number() OVER (
            PARTITION BY source, product_key
            ORDER BY
                CASE WHEN day <= $as_of THEN 0 ELSE 1 END,
                CASE WHEN day <= $as_of THEN day END DESC NULLS LAST,
                CASE WHEN day <= $as_of THEN updated_at END DESC NULLS LAST,
                day,
                updated_at
        ) AS place
    FROM products AS p
) AS versions
WHERE place = 1
