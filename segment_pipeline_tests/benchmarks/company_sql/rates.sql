-- One row per day: the euro in dollars.
SELECT 'ecb' AS source, 'EUR' AS currency, on_day(d) AS rate_day, CAST(1.08 AS DECIMAL(18,8)) AS rate, on_day(d) AS day
FROM range(getvariable('days')) AS days(d)
