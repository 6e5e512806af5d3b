-- One row per account held in more than one version: which of them counts, that of as_of or earlier that is newest, or the earliest
-- held after it. `is_shared`: they are versions of several accounts, whose keys have one number.
SELECT key_no, source, updated_at, day, is_shared
FROM (
    SELECT
        c.key_no, c.source, c.updated_at, c.day,
        min(concat_ws(':', c.entity, c.source, c.customer_key)) OVER (PARTITION BY c.key_no)
            <> max(concat_ws(':', c.entity, c.source, c.customer_key)) OVER (PARTITION BY c.key_no) AS is_shared,
        row_number() OVER (
            PARTITION BY c.key_no
            ORDER BY
                CASE WHEN c.day <= $as_of THEN 0 ELSE 1 END,
                CASE WHEN c.day <= $as_of THEN c.updated_at END DESC NULLS LAST,
                c.updated_at,
                CASE WHEN c.deleted_on IS NULL THEN 1 ELSE 0 END
        ) AS place
    FROM customers AS c
    JOIN revised_accounts AS r ON r.key_no = c.key_no
) AS versions
WHERE place = 1
