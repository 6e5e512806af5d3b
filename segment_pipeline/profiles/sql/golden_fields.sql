-- One row per person with an account: each field from the most trusted account that knows it; name and address as units.
SELECT
    p.profile_id,
    min(n.first_name) AS first_name, min(n.last_name) AS last_name,
    min(d.street) AS street, min(d.city) AS city, min(d.region) AS region, min(d.postcode) AS postcode, min(d.country) AS country,
    arg_min(p.birth_date, p.place) FILTER (WHERE p.birth_date IS NOT NULL) AS birth_date,
    arg_min(p.birth_day, p.place) FILTER (WHERE p.birth_day IS NOT NULL) AS birth_day,
    arg_min(p.gender, p.place) FILTER (WHERE p.gender IS NOT NULL) AS gender,
    arg_min(p.loyalty_id, p.place) FILTER (WHERE p.loyalty_id IS NOT NULL) AS loyalty_id,
    sum(p.loyalty_balance) FILTER (WHERE NOT p.gone) AS loyalty_balance,
    arg_min(p.age_band, p.place) FILTER (WHERE p.age_band IS NOT NULL) AS age_band,
    arg_min(p.income_band, p.place) FILTER (WHERE p.income_band IS NOT NULL) AS income_band,
    arg_min(p.household_type, p.place) FILTER (WHERE p.household_type IS NOT NULL) AS household_type,
    arg_min(p.children, p.place) FILTER (WHERE p.children IS NOT NULL) AS children,
    arg_min(p.occupation, p.place) FILTER (WHERE p.occupation IS NOT NULL) AS occupation
FROM (
    SELECT
        *,
        json_extract_string(attributes, '$.age_band') AS age_band,
        json_extract_string(attributes, '$.income_band') AS income_band,
        json_extract_string(attributes, '$.household_type') AS household_type,
        json_extract_string(attributes, '$.children') AS children,
        json_extract_string(attributes, '$.occupation') AS occupation,
        min(CASE WHEN named = 1 THEN place END) OVER (PARTITION BY profile_id) AS name_place,
        min(CASE WHEN addressed = 1 THEN place END) OVER (PARTITION BY profile_id) AS address_place
    FROM person_accounts
) AS p
LEFT JOIN person_accounts AS n ON n.profile_id = p.profile_id AND n.place = p.name_place AND p.place = p.name_place
LEFT JOIN person_accounts AS d ON d.profile_id = p.profile_id AND d.place = p.address_place AND p.place = p.address_place
GROUP BY p.profile_id
