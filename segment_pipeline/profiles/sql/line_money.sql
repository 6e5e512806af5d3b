-- One row per line of goods bought by the end of as_of, given back ones off: sold lines on the sale's day, returned lines on the
-- day of the order they give back, or their own where none is named. `person_no` NULL: nobody's.
SELECT
    CASE WHEN l.net < 0 THEN g.given_by ELSE g.person_no END AS person_no,
    CASE WHEN l.net < 0 THEN g.given_on ELSE g.ordered_on END AS ordered_on,
    l.product_no,
    g.sold AND l.is_markdown AS is_markdown,
    CASE WHEN r.order_no IS NULL THEN l.net_base ELSE CAST(l.net_base - r.refunded AS DECIMAL(18,4)) END AS spend,
    g.sold
FROM numbered_lines AS l
JOIN (
    SELECT s.order_no, TRUE AS sold, p.person_no, s.ordered_on, p.person_no AS given_by, s.ordered_on AS given_on
    FROM sales AS s
    JOIN people AS p ON p.profile_id = s.profile_id
    UNION ALL
    SELECT
        r.order_no, FALSE, p.person_no, r.ordered_on,
        CASE WHEN r.linked THEN q.person_no ELSE p.person_no END,
        CASE WHEN r.linked THEN b.ordered_on ELSE r.ordered_on END
    FROM return_parts AS r
    LEFT JOIN order_persons AS o ON o.order_no = r.order_no
    LEFT JOIN people AS p ON p.profile_id = o.profile_id
    LEFT JOIN sales AS b ON b.source = r.source AND b.order_key = r.parent_order_key
    LEFT JOIN people AS q ON q.profile_id = b.profile_id
) AS g ON g.order_no = l.order_no
LEFT JOIN (
    SELECT s.order_no, f.line_number, sum(f.amount_base) AS refunded
    FROM refunds_as_of AS f
    JOIN sales AS s ON s.source = f.source AND s.order_key = f.order_key
    WHERE f.line_number IS NOT NULL
    GROUP BY s.order_no, f.line_number
) AS r ON r.order_no = l.order_no AND r.line_number = l.line_number
