-- One row per order of a person, with its number among theirs: by time, those of one instant by source and key.
SELECT
    order_no,
    CAST(row_number() OVER (PARTITION BY person_no ORDER BY ordered_at, source, order_key) AS INTEGER) AS order_number
FROM paid_orders
WHERE is_order
