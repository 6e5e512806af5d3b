-- One row per person, as identity would leave them.
SELECT
    on_day(getvariable('days') - 1) AS as_of, profile_of(p) AS profile_id, email_of(p, t) AS email,
    CASE WHEN pick(t, 52, 100) < 55 THEN phone_of(p, t) END AS phone,
    first_name(t) AS first_name, last_name(t) AS last_name,
    CAST(NULL AS VARCHAR) AS street, 'City ' || pick(t, 30, 300) AS city, CAST(NULL AS VARCHAR) AS region,
    CAST(10000 + pick(t, 30, 300) * 7 AS VARCHAR) AS postcode, country_of(t) AS country, CAST(NULL AS DATE) AS birth_date,
    CAST(NULL AS VARCHAR) AS birth_day, CAST(NULL AS VARCHAR) AS gender, CAST(NULL AS VARCHAR) AS loyalty_id,
    CAST(1 AS BIGINT) AS records, ['shopify'] AS sources, at_second(joins_on(t), 20000) AS created_at
FROM (SELECT p, traits_of(p) AS t FROM range(getvariable('from_person'), getvariable('to_person')) AS people(p))
