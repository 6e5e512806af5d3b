-- One row per account of a person; `place` 1 is the most trusted: alive before gone, then the company's order of sources,
-- then customers before loyalty accounts, then the newest.
SELECT
    r.person_no, a.record_no,
    row_number() OVER (
        PARTITION BY r.person_no
        ORDER BY
            CASE WHEN a.gone THEN 1 ELSE 0 END,
            coalesce(t.place, 1000000),
            CASE WHEN a.entity = 'customer' THEN 0 ELSE 1 END,
            a.updated_at DESC,
            a.source,
            a.customer_key
    ) AS place
FROM accounts AS a
JOIN person_records AS r ON r.record_no = a.record_no
LEFT JOIN trusted AS t ON t.source = a.source
