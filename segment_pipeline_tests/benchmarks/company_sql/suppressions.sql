-- One row per address that must not be written to: one in two hundred.
SELECT
    'shopify' AS source, 'email' AS identifier_type, email_of(p, t) AS identifier, '*' AS channel, 'bounced' AS reason,
    at_second(d, 40000) AS recorded_at, on_day(d) AS day
FROM (
    SELECT p, t, pick(t, 26, getvariable('days')) AS d
    FROM (SELECT p, traits_of(p) AS t FROM range(getvariable('people')) AS people(p))
    WHERE pick(draw('suppressed', p, 0), 0, 200) = 0
)
WHERE d >= getvariable('from_day') AND d < getvariable('to_day')
