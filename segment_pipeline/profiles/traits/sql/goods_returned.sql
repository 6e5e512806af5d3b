-- One row per return or exchange made by the end of as_of, with whose returned lines are: the buyer's of the order it gives
-- back, on that order's day, or of its own where none is named.
SELECT
    r.source, r.day, r.order_key, r.updated_at, r.person_no, r.ordered_on,
    CASE WHEN r.linked THEN s.person_no ELSE r.person_no END AS given_by,
    CASE WHEN r.linked THEN s.ordered_on ELSE r.ordered_on END AS given_on
FROM return_parts AS r
LEFT JOIN person_sales AS s ON s.source = r.source AND s.order_key = r.parent_order_key
