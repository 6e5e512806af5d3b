-- One row per person with an account: each field from the most trusted account that knows it; name and address as units.
-- An account that knows no more of a place than its region or country is no other address: where there is no address it stands
-- for one, and its country stands in for that of an address without one.
SELECT
    g.person_no,
    n.first_name, n.last_name, d.street, d.city,
    CASE WHEN g.address_of IS NULL THEN w.region ELSE d.region END AS region,
    d.postcode, coalesce(d.country, w.country) AS country,
    g.birth_date, g.birth_day, g.gender, g.language, g.loyalty_id, g.loyalty_balance,
    g.age_band, g.income_band, g.household_type, g.children, g.occupation
FROM (
    SELECT
        p.person_no,
        coalesce(
            arg_min(p.record_no, p.place) FILTER (WHERE trim(a.last_name) <> ''),
            arg_min(p.record_no, p.place) FILTER (WHERE trim(a.first_name) <> '')
        ) AS name_of,
        arg_min(p.record_no, p.place) FILTER (WHERE coalesce(a.street, a.city, a.postcode) IS NOT NULL) AS address_of,
        arg_min(p.record_no, p.place) FILTER (
            WHERE coalesce(a.street, a.city, a.postcode) IS NULL AND coalesce(a.country, a.region) IS NOT NULL
        ) AS whereabouts_of,
        arg_min(a.birth_date, p.place) FILTER (WHERE a.birth_date IS NOT NULL) AS birth_date,
        arg_min(a.birth_day, p.place) FILTER (WHERE a.birth_day IS NOT NULL) AS birth_day,
        arg_min(a.gender, p.place) FILTER (WHERE a.gender IS NOT NULL) AS gender,
        arg_min(a.language, p.place) FILTER (WHERE a.language IS NOT NULL) AS language,
        arg_min(a.loyalty_id, p.place) FILTER (WHERE a.loyalty_id IS NOT NULL) AS loyalty_id,
        sum(a.loyalty_balance) FILTER (WHERE NOT a.gone) AS loyalty_balance,
        arg_min(a.age_band, p.place) FILTER (WHERE a.age_band IS NOT NULL) AS age_band,
        arg_min(a.income_band, p.place) FILTER (WHERE a.income_band IS NOT NULL) AS income_band,
        arg_min(a.household_type, p.place) FILTER (WHERE a.household_type IS NOT NULL) AS household_type,
        arg_min(a.children, p.place) FILTER (WHERE a.children IS NOT NULL) AS children,
        arg_min(a.occupation, p.place) FILTER (WHERE a.occupation IS NOT NULL) AS occupation
    FROM person_accounts AS p
    JOIN (
        SELECT
            record_no, first_name, last_name, street, city, region, postcode, country, birth_date, gender, loyalty_balance, gone,
            CASE WHEN l.card IS NULL AND NOT regexp_matches(loyalty_id, $loyalty_id_patterns) THEN loyalty_id END AS loyalty_id,
            coalesce(birth_day, strftime(birth_date, '%m-%d')) AS birth_day,
            CASE
                WHEN regexp_matches(language, '^[A-Za-z]{2,3}([-_].*)?$') THEN lower(regexp_replace(language, '[-_].*$', '', 'g'))
            END AS language,
            json_extract_string(attributes, '$.age_band') AS age_band,
            json_extract_string(attributes, '$.income_band') AS income_band,
            json_extract_string(attributes, '$.household_type') AS household_type,
            json_extract_string(attributes, '$.children') AS children,
            json_extract_string(attributes, '$.occupation') AS occupation
        FROM (
            SELECT
                *,
                coalesce(json_extract_string(attributes, '$.language'), json_extract_string(attributes, '$.locale')) AS language
            FROM accounts
        ) AS told
        LEFT JOIN listed_cards AS l ON l.card = loyalty_id
    ) AS a ON a.record_no = p.record_no
    GROUP BY p.person_no
) AS g
LEFT JOIN accounts AS n ON n.record_no = g.name_of
LEFT JOIN accounts AS d ON d.record_no = g.address_of
LEFT JOIN accounts AS w ON w.record_no = g.whereabouts_of
