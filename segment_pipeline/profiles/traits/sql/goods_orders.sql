-- One row per order whose lines are goods bought or given back by the end of as_of: a person's sale, a return or an exchange.
SELECT
    source, day, order_key, updated_at, TRUE AS sold, person_no, ordered_on, person_no AS given_by, ordered_on AS given_on, refunded_lines
FROM person_sales
UNION ALL
SELECT source, day, order_key, updated_at, FALSE, person_no, ordered_on, given_by, given_on, FALSE
FROM goods_returned
