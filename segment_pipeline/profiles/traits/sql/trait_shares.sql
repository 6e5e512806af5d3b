-- One row per (person, dimension, value), with its share of the person's spend of known value; NULL: no spend to share.
-- People follow each other in the files, so that an id is stored once; ordered while everything is a number.
SELECT
    CAST($as_of AS DATE) AS as_of, profile_id, dimension, value, spend_365d,
    CASE WHEN known_365d > 0
        THEN CAST(CAST(CAST(spend_365d AS DECIMAL(19,4)) * 10000 AS BIGINT) AS DOUBLE) / CAST(CAST(CAST(known_365d AS DECIMAL(19,4)) * 10000 AS BIGINT) AS DOUBLE)
    END AS share_365d,
    spend_total,
    CASE WHEN known_total > 0
        THEN CAST(CAST(CAST(spend_total AS DECIMAL(19,4)) * 10000 AS BIGINT) AS DOUBLE) / CAST(CAST(CAST(known_total AS DECIMAL(19,4)) * 10000 AS BIGINT) AS DOUBLE)
    END AS share_total,
    known_365d, known_total
FROM (
    SELECT
        p.profile_id, v.dimension, v.value, s.spend_365d, s.spend_total,
        CASE v.dimension
            WHEN 'department' THEN t.department_365d WHEN 'category' THEN t.category_365d ELSE t.collection_365d
        END AS known_365d,
        CASE v.dimension
            WHEN 'department' THEN t.department_total WHEN 'category' THEN t.category_total ELSE t.collection_total
        END AS known_total
    FROM (SELECT person_no, value_no, spend_365d, spend_total FROM shares ORDER BY person_no) AS s
    JOIN people AS p ON p.person_no = s.person_no
    JOIN share_values AS v ON v.value_no = s.value_no
    JOIN known_spend AS t ON t.person_no = s.person_no
) AS known
