-- One row per statement about marketing: 75 % agree to e-mail, 55 % to ads, 30 % to SMS; one in thirty takes it back within a month.
SELECT
    CASE WHEN at_till(t) AND NOT in_shop(t) THEN 'square' ELSE 'shopify' END AS source,
    CASE channel WHEN 'sms' THEN 'phone' ELSE 'email' END AS identifier_type,
    CASE channel WHEN 'sms' THEN phone_of(p, t) ELSE email_of(p, t) END AS identifier,
    channel,
    'marketing' AS purpose,
    at_second(d, pick(c, 12, 80000)) AS recorded_at,
    CASE WHEN version = 1 OR NOT agreed THEN 'denied' ELSE 'granted' END AS status,
    'account settings' AS evidence,
    on_day(d) AS day
FROM (
    SELECT *, CASE version WHEN 0 THEN first_day ELSE first_day + 1 + pick(c, 30, 30) END AS d
    FROM (
        SELECT *, unnest(CASE WHEN agreed AND pick(c, 40, 30) = 0 THEN [0, 1] ELSE [0] END) AS version
        FROM (
            SELECT *,
                pick(c, 0, 100) < CASE channel WHEN 'email' THEN 75 WHEN 'ads' THEN 55 ELSE 30 END AS agreed,
                CASE WHEN joins_on(t) >= 0 THEN joins_on(t) ELSE pick(t, 12, getvariable('days')) END AS first_day
            FROM (
                SELECT p, t, channel, draw(channel, p, 0) AS c
                FROM (SELECT p, traits_of(p) AS t FROM range(getvariable('people')) AS people(p))
                CROSS JOIN (VALUES ('email'), ('ads'), ('sms')) AS channels(channel)
            )
        )
    )
)
WHERE d >= getvariable('from_day') AND d < getvariable('to_day')
