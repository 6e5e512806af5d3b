-- One row per version of an account: at the till, in the shop, and of the till's loyalty programme. One in ten changed once.
SELECT
    source, entity,
    CASE WHEN entity = 'loyalty' THEN 'L' || p WHEN source = 'square' THEN till_key(p) ELSE shop_key(p) END AS customer_key,
    at_second(d, 30000 + version * 20000 + pick(v, 20, 10000)) AS updated_at,
    CASE WHEN entity = 'loyalty' THEN till_key(p) END AS owner_key,
    CASE
        WHEN entity = 'loyalty' THEN NULL
        WHEN source = 'shopify' AND version = 0 AND versions > 1 THEN 'old.' || email_of(p, t)
        -- The till knows the address of seven in ten.
        WHEN source = 'shopify' OR pick(t, 48, 10) < 7 THEN email_of(p, t)
    END AS email,
    CASE WHEN entity = 'loyalty' OR pick(t, 52, 100) < CASE source WHEN 'square' THEN 80 ELSE 55 END THEN phone_of(p, t) END AS phone,
    CASE WHEN entity = 'customer' THEN first_name(t) END AS first_name,
    CASE WHEN entity = 'customer' THEN last_name(t) END AS last_name,
    CASE WHEN entity = 'customer' THEN (1 + pick(t, 30, 200)) || ' Street ' || pick(t, 36, 500) END AS street,
    CASE WHEN entity = 'customer' THEN 'City ' || pick(t, 30, 300) END AS city,
    CASE WHEN entity = 'customer' THEN list_extract(['CA', 'NY', 'TX', 'OH', 'WA'], 1 + pick(t, 30, 5)) END AS region,
    CASE WHEN entity = 'customer' THEN CAST(10000 + pick(t, 30, 300) * 7 AS VARCHAR) END AS postcode,
    CASE WHEN entity = 'customer' THEN country_of(t) END AS country,
    CASE WHEN source = 'square' AND entity = 'customer' AND pick(t, 56, 3) = 0 THEN born END AS birth_date,
    CASE WHEN source = 'square' AND entity = 'customer' AND pick(t, 56, 3) < 2 THEN strftime(born, '%m-%d') END AS birth_day,
    CASE WHEN entity = 'customer' AND pick(t, 58, 5) > 0 THEN CASE WHEN pick(t, 58, 2) = 0 THEN 'female' ELSE 'male' END END AS gender,
    CASE WHEN entity = 'loyalty' THEN 'LP' || p END AS loyalty_id,
    CASE WHEN entity = 'loyalty' THEN pick(v, 30, 5000) END AS loyalty_balance,
    at_second(joins_on(t), 20000) AS created_at,
    CAST(NULL AS DATE) AS deleted_on,
    NOT (source = 'square' AND pick(v, 40, 100) = 0) AS contactable,
    CASE WHEN source = 'square' AND entity = 'customer'
        THEN '{"income_band":"' || list_extract(['35-49K', '50-74K', '75-99K', '100-124K'], 1 + pick(t, 50, 4)) || '"}'
    END AS attributes,
    on_day(d) AS day
FROM (
    SELECT *, draw('account', p, version) AS v,
        DATE '1950-01-01' + CAST(pick(t, 24, 20000) AS INTEGER) AS born,
        CASE WHEN version = 0 THEN first_day ELSE first_day + pick(t, 20, getvariable('days')) % (getvariable('days') - first_day) END AS d
    FROM (
        SELECT *, unnest(range(versions)) AS version
        FROM (
            SELECT p, t, accounts.source, accounts.entity,
                CASE WHEN entity = 'customer' AND pick(t, 60, 10) = 0 THEN 2 ELSE 1 END AS versions,
                CASE WHEN joins_on(t) >= 0 THEN joins_on(t) ELSE pick(t, 12, getvariable('days')) END AS first_day
            FROM (SELECT p, traits_of(p) AS t FROM range(getvariable('people')) AS people(p))
            CROSS JOIN (VALUES ('square', 'customer'), ('shopify', 'customer'), ('square', 'loyalty')) AS accounts(source, entity)
            WHERE CASE
                WHEN entity = 'loyalty' THEN at_till(t) AND pick(t, 44, 20) < 9
                WHEN source = 'square' THEN at_till(t)
                ELSE in_shop(t)
            END
        )
    )
)
WHERE d >= getvariable('from_day') AND d < getvariable('to_day')
