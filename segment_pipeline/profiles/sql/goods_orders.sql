-- One row per order whose lines are goods bought or given back by the end of as_of: a person's sale; a return or exchange, whose
-- returned lines count for the buyer of the order it gives back and on that order's day, or for its own where none is named.
SELECT
    source, day, order_key, updated_at, TRUE AS sold, person_no, ordered_on, person_no AS given_by, ordered_on AS given_on, refunded_lines
FROM person_sales
UNION ALL
SELECT
    r.source, r.day, r.order_key, r.updated_at, FALSE, r.person_no, r.ordered_on,
    CASE WHEN r.linked THEN s.person_no ELSE r.person_no END,
    CASE WHEN r.linked THEN s.ordered_on ELSE r.ordered_on END,
    FALSE
FROM return_parts AS r
LEFT JOIN person_sales AS s ON s.source = r.source AND s.order_key = r.parent_order_key
