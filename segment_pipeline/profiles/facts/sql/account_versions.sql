-- One row per (source, entity, account) known by the end of as_of: its newest version of that day or earlier; where only
-- later ones are held, the earliest of them, marked back_projected. `gone`: deleted at its source by then. A birth date that a
-- program fills in where there is none (day one of a calendar, in any time zone), that is still to come or more than 120 years
-- ago is not known, and neither is its day.
SELECT
    source, entity, customer_key, key_no, owner_key, updated_at, email, phone, first_name, last_name, street, city, region,
    postcode, country, CASE WHEN born THEN birth_date END AS birth_date,
    CASE WHEN born OR birth_date IS NULL THEN birth_day END AS birth_day, gender, loyalty_id, loyalty_balance, created_at, contactable, attributes,
    deleted_on IS NOT NULL AND deleted_on <= $as_of AS gone,
    day > $as_of AS back_projected
FROM (
    SELECT
        *,
        birth_date <= $as_of AND extract(year FROM $as_of) - extract(year FROM birth_date) <= 120
        AND birth_date NOT IN (
            CAST('1899-12-30' AS DATE), CAST('1899-12-31' AS DATE), CAST('1900-01-01' AS DATE), CAST('1901-01-01' AS DATE),
            CAST('1904-01-01' AS DATE), CAST('1969-12-31' AS DATE), CAST('1970-01-01' AS DATE)
        ) AS born
    FROM (
        SELECT c.*
        FROM customers AS c
        LEFT JOIN chosen_accounts AS v ON v.key_no = c.key_no
        WHERE v.key_no IS NULL OR (v.updated_at = c.updated_at AND v.day = c.day)
    ) AS versions
    -- Of the version that counts: an earlier one may have been created on another day.
    WHERE created_at < $end
) AS dated
