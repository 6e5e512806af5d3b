-- One row per person: the golden record.
SELECT
    CAST($as_of AS DATE) AS as_of,
    p.profile_id,
    e.identifier AS email,
    t.identifier AS phone,
    g.first_name, g.last_name, g.street, g.city, g.region, g.postcode, g.country, g.birth_date, g.birth_day, g.gender, g.loyalty_id,
    p.records, p.sources, p.created_at
FROM (
    SELECT profile_id, count(*) AS records, list_sort(array_agg(DISTINCT source)) AS sources, min(anchored_at) AS created_at
    FROM resolved
    GROUP BY profile_id
) AS p
LEFT JOIN golden_fields AS g ON g.profile_id = p.profile_id
LEFT JOIN best_contacts AS e ON e.profile_id = p.profile_id AND e.identifier_type = 'email'
LEFT JOIN best_contacts AS t ON t.profile_id = p.profile_id AND t.identifier_type = 'phone'
