-- One row per answer: a tenth of the people of the shop answer one question of three.
SELECT
    'amplitude' AS source,
    'a' || d || '-' || p AS answer_key,
    'Y' || pick(a, 0, 4) AS survey_key,
    question AS question_key,
    CASE question
        WHEN 'preferred_department' THEN department(pick(a, 4, 20))
        WHEN 'interest' THEN 'interest ' || pick(a, 4, 12)
        ELSE CAST(1 + pick(a, 4, 5) AS VARCHAR)
    END AS answer,
    CASE question WHEN 'price_satisfaction' THEN CAST(1 + pick(a, 4, 5) AS DOUBLE) END AS score,
    at_second(d, pick(a, 12, 86000)) AS answered_at,
    on_day(d) AS answered_on,
    CAST(NULL AS VARCHAR) AS email,
    shop_key(p) AS customer_key,
    CAST(NULL AS VARCHAR) AS anonymous_id,
    on_day(d) AS day
FROM (
    SELECT p, a, pick(a, 24, getvariable('days')) AS d, list_extract(['preferred_department', 'interest', 'price_satisfaction'], 1 + pick(a, 40, 3)) AS question
    FROM (SELECT p, traits_of(p) AS t, draw('answer', p, 0) AS a FROM range(getvariable('people')) AS people(p))
    WHERE in_shop(t) AND pick(a, 44, 10) = 0
)
WHERE d >= getvariable('from_day') AND d < getvariable('to_day')
