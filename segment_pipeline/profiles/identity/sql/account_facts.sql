-- One row per account: what may not differ within one person. `customer_of`: its source while the account lives there; a
-- source that deleted or merged an account away no longer claims it to be someone of its own.
SELECT
    a.record_no,
    CASE WHEN entity = 'customer' AND NOT gone THEN source END AS customer_of,
    CASE WHEN NOT gone AND b.identifier IS NULL THEN loyalty_id END AS loyalty_id,
    birth_date,
    CASE WHEN n.first_name IS NOT NULL AND n.last_name IS NOT NULL THEN concat_ws(' ', n.first_name, n.last_name) END AS full_name
FROM accounts AS a
LEFT JOIN record_names AS n ON n.record_no = a.record_no
LEFT JOIN blocked_identifiers AS b ON b.identifier_type = 'loyalty_id' AND b.identifier = a.loyalty_id
