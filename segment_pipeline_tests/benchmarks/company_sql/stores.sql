-- One row per store, as of the last day.
SELECT
    'square' AS source, 'S' || s AS store_key, at_second(0, 3600) AS updated_at, 'Store ' || s AS name,
    30.0 + (s * 37 % 180) / 10.0 AS lat, -120.0 + (s * 53 % 450) / 10.0 AS lon, 'America/New_York' AS timezone,
    'US' AS country, 'USD' AS currency, CAST(NULL AS DATE) AS deleted_on, on_day(getvariable('days') - 1) AS day
FROM range(200) AS stores(s)
