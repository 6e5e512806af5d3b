-- One row per identifier of a person: the address, the account, and of 55 % a telephone.
SELECT
    on_day(getvariable('days') - 1) AS as_of, profile_of(p) AS profile_id, identifier_type,
    CASE identifier_type WHEN 'email' THEN email_of(p, t) WHEN 'phone' THEN phone_of(p, t) ELSE 'shopify:' || shop_key(p) END AS identifier,
    at_second(pick(t, 12, getvariable('days')), 30000) AS last_seen_at, TRUE AS usable
FROM (SELECT p, traits_of(p) AS t FROM range(getvariable('from_person'), getvariable('to_person')) AS people(p))
CROSS JOIN (VALUES ('email'), ('phone'), ('customer_key')) AS types(identifier_type)
WHERE identifier_type <> 'phone' OR pick(t, 52, 100) < 55
