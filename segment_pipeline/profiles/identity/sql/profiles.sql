-- One row per person: the golden record.
SELECT
    CAST($as_of AS DATE) AS as_of,
    k.profile_id,
    e.identifier AS email,
    t.identifier AS phone,
    g.first_name, g.last_name, g.street, g.city, g.region, g.postcode, g.country, g.birth_date, g.birth_day, g.gender, g.loyalty_id,
    p.records, p.sources, k.created_at
FROM (
    SELECT person_no, CAST(sum(records) AS BIGINT) AS records, list_sort(array_agg(source)) AS sources
    FROM (
        SELECT m.person_no, r.source, count(*) AS records
        FROM person_records AS m
        JOIN records AS r ON r.record_no = m.record_no
        GROUP BY m.person_no, r.source
    ) AS by_source
    GROUP BY person_no
) AS p
JOIN known_people AS k ON k.person_no = p.person_no
LEFT JOIN golden_fields AS g ON g.person_no = p.person_no
LEFT JOIN best_contacts AS e ON e.person_no = p.person_no AND e.identifier_type = 'email'
LEFT JOIN best_contacts AS t ON t.person_no = p.person_no AND t.identifier_type = 'phone'
