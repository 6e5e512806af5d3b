-- One row per account known by the end of as_of, numbered.
SELECT row_number() OVER (ORDER BY source, entity, customer_key) AS record_no, *
FROM account_versions
