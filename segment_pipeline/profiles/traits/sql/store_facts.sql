-- One row per person who bought in a store of known place in the 365 days to as_of: the store most used, ties to the first key.
SELECT u.person_no, s.lat, s.lon
FROM (
    SELECT
        m.person_no, n.store_no,
        row_number() OVER (PARTITION BY m.person_no ORDER BY count(*) DESC, n.store_no) AS place
    FROM paid_orders AS m
    JOIN numbered_stores AS n ON n.source = m.source AND n.store_key = m.store_key
    WHERE m.is_order AND m.ordered_on > $days_365
    GROUP BY m.person_no, n.store_no
) AS u
JOIN numbered_stores AS s ON s.store_no = u.store_no
WHERE u.place = 1
