-- One row per (identifier type, canonical value), numbered: what many rows are joined and grouped by.
SELECT row_number() OVER (ORDER BY first_no, identifier_type, identifier) AS value_no, identifier_type, identifier
FROM (
    SELECT identifier_type, identifier, min(record_no) AS first_no FROM mentions GROUP BY identifier_type, identifier
) AS known
