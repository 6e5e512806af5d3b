-- One row per person who bought in the 365 days to as_of and whose spend is known, placed among them: `below` of the `buyers` spent less. Scores are
-- 1 + floor(5 x those strictly below / buyers), in whole numbers. A block of equals stands at its lower edge.
SELECT
    person_no, buyers, below,
    CAST(1 + (5 * earlier - (5 * earlier) % buyers) / buyers AS INTEGER) AS rfm_r,
    CAST(1 + (5 * rarer - (5 * rarer) % buyers) / buyers AS INTEGER) AS rfm_f,
    CAST(1 + (5 * below - (5 * below) % buyers) / buyers AS INTEGER) AS rfm_m
FROM (
    SELECT
        person_no,
        count(*) OVER () AS buyers,
        rank() OVER (ORDER BY spend_365d) - 1 AS below,
        rank() OVER (ORDER BY orders_365d) - 1 AS rarer,
        rank() OVER (ORDER BY last_order_on) - 1 AS earlier
    FROM measured
    WHERE bought_365d > 0 AND spend_365d IS NOT NULL
) AS placed
