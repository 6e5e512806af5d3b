-- One row per account, guest order and guest cart that has a name, as its source holds it.
SELECT record_no, first_name, last_name
FROM accounts
WHERE coalesce(first_name, last_name) IS NOT NULL
UNION ALL
SELECT record_no, min(first_name), min(last_name)
FROM numbered_touches
WHERE entity <> 'customer' AND coalesce(first_name, last_name) IS NOT NULL
GROUP BY record_no
