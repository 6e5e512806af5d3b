-- One row per product held in more than one version: which of them counts, that of as_of or earlier that is newest, or the earliest
-- held after it. `is_shared`: they are versions of several products, whose keys have one number.
SELECT product_no, source, updated_at, day, is_shared
FROM (
    SELECT
        p.product_no, p.source, p.updated_at, p.day,
        min(concat_ws(':', p.source, p.product_key)) OVER (PARTITION BY p.product_no)
            <> max(concat_ws(':', p.source, p.product_key)) OVER (PARTITION BY p.product_no) AS is_shared,
        row_number() OVER (
            PARTITION BY p.product_no
            ORDER BY
                CASE WHEN p.day <= $as_of THEN 0 ELSE 1 END,
                CASE WHEN p.day <= $as_of THEN p.day END DESC NULLS LAST,
                CASE WHEN p.day <= $as_of THEN p.updated_at END DESC NULLS LAST,
                p.day,
                p.updated_at
        ) AS place
    FROM product_versions AS p
    JOIN (SELECT product_no FROM product_versions GROUP BY product_no HAVING count(*) > 1) AS r ON r.product_no = p.product_no
) AS versions
WHERE place = 1
