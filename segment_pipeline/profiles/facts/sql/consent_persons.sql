-- One row per identifier that statements about consent may name and the one person it is of: keys of accounts, the addresses and numbers
-- these have, and addresses known from behaviour alone. One that several people have is of nobody in particular.
SELECT identifier_type, identifier, min(person_no) AS person_no
FROM (
    SELECT 'customer_key' AS identifier_type, concat_ws(':', source, record_key) AS identifier, person_no
    FROM activity_persons
    WHERE entity = 'customer'
    UNION ALL
    SELECT 'email', a.email, p.person_no
    FROM account_versions AS a
    JOIN activity_persons AS p ON p.key_no = a.key_no
    WHERE a.email IS NOT NULL
    UNION ALL
    SELECT 'phone', a.phone, p.person_no
    FROM account_versions AS a
    JOIN activity_persons AS p ON p.key_no = a.key_no
    WHERE a.phone IS NOT NULL
    UNION ALL
    SELECT 'email', c.identifier, p.person_no
    FROM (SELECT DISTINCT identifier FROM consents WHERE identifier_type = 'email') AS c
    JOIN activity_persons AS p ON p.entity = 'email' AND p.record_key = sha256(c.identifier)
) AS known
GROUP BY identifier_type, identifier
HAVING min(person_no) = max(person_no)
