-- One row per account of a person; `place` 1 is the most trusted: alive before gone, then the company's order of sources,
-- then customers before loyalty accounts, then the newest.
SELECT
    r.profile_id, a.source, a.entity, a.customer_key, a.updated_at, a.email, a.phone,
    a.first_name, a.last_name, a.street, a.city, a.region, a.postcode, a.country,
    a.birth_date, coalesce(a.birth_day, strftime(a.birth_date, '%m-%d')) AS birth_day, a.gender, a.loyalty_id, a.loyalty_balance,
    a.attributes, a.gone,
    row_number() OVER (
        PARTITION BY r.profile_id
        ORDER BY
            CASE WHEN a.gone THEN 1 ELSE 0 END,
            coalesce(t.place, 1000000),
            CASE WHEN a.entity = 'customer' THEN 0 ELSE 1 END,
            a.updated_at DESC,
            a.source,
            a.customer_key
    ) AS place,
    CASE WHEN trim(a.last_name) <> '' THEN 1 END AS named,
    CASE WHEN coalesce(a.street, a.city, a.postcode) IS NOT NULL THEN 1 END AS addressed
FROM accounts AS a
JOIN persons AS r ON r.source = a.source AND r.entity = a.entity AND r.record_key = a.customer_key
LEFT JOIN trusted AS t ON t.source = a.source
