-- One row per account: what may not differ within one person. `customer_of`: its source while the account lives there; a
-- source that deleted or merged an account away no longer claims it to be someone of its own.
SELECT
    r.record_no,
    CASE WHEN a.entity = 'customer' AND NOT a.gone THEN a.source END AS customer_of,
    CASE WHEN NOT a.gone THEN a.loyalty_id END AS loyalty_id,
    a.birth_date,
    CASE
        WHEN trim(a.first_name) <> '' AND trim(a.last_name) <> ''
        THEN concat_ws(' ', lower(trim(a.first_name)), lower(trim(a.last_name)))
    END AS full_name
FROM accounts AS a
JOIN records AS r ON r.source = a.source AND r.entity = a.entity AND r.record_key = a.customer_key
