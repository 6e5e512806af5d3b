-- One row per person who bought in the 365 days to as_of, ranked among them; equal values rank equal. Scores are
-- ceil(5 × share of buyers with this value or a smaller one), in whole numbers until the one division.
SELECT
    person_no,
    cume_dist() OVER (ORDER BY spend_365d) AS spend_percentile,
    CAST(ceil(5 * count(*) OVER (ORDER BY last_order_on) / count(*) OVER ()) AS INTEGER) AS rfm_r,
    CAST(ceil(5 * count(*) OVER (ORDER BY orders_365d) / count(*) OVER ()) AS INTEGER) AS rfm_f,
    CAST(ceil(5 * count(*) OVER (ORDER BY spend_365d) / count(*) OVER ()) AS INTEGER) AS rfm_m
FROM order_facts
WHERE bought_365d > 0
