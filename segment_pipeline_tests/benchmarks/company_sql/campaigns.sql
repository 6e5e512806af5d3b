-- One row per campaign, as of the last day.
SELECT
    'amplitude' AS source, 'K' || c AS campaign_key, 'Campaign ' || c AS name, 'email' AS channel,
    on_day(c * 18) AS starts_on, on_day(c * 18 + 20) AS ends_on, CAST(1000 + c * 10 AS DECIMAL(18,4)) AS cost, on_day(getvariable('days') - 1) AS day
FROM range(20) AS campaigns(c)
