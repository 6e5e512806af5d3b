-- One row per line sold by orders that something was given back of: what is kept of it. First what names the line comes off, then what
-- names its product, over the lines of it by what is left of each, then the rest over all lines in the same way. A line is kept as long
-- as a hundredth of its net is; one that was worth nothing, as long as units of it are. What rounding leaves of a line whose every unit
-- was given back is nothing. What is not kept was given back when last something named the line or its product, else of the whole order.
WITH given AS (
    SELECT
        order_no, line_number, product_no, sum(goods) AS goods, sum(quantity) AS quantity,
        max(given_back_at) AS given_back_at, max(given_back_on) AS given_back_on
    FROM give_backs_of_lines
    GROUP BY order_no, line_number, product_no
),
named AS (
    SELECT
        l.order_no, l.line_number, l.product_key, l.product_no, l.rate, l.net AS sold, l.quantity AS units,
        b.given_back_at, b.given_back_on,
        CASE
            WHEN b.quantity >= l.quantity AND l.net - b.goods < 0.05 THEN 0
            ELSE greatest(l.net - coalesce(b.goods, 0), 0)
        END AS net,
        CASE WHEN b.quantity >= l.quantity THEN 0 ELSE l.quantity - coalesce(b.quantity, 0) END AS quantity
    FROM lines_given_back AS l
    LEFT JOIN given AS b ON b.order_no = l.order_no AND b.line_number = l.line_number
),
of_products AS (
    SELECT
        b.order_no, b.product_no, b.goods, b.quantity, b.given_back_at, b.given_back_on,
        CAST(sum(n.net) AS DECIMAL(18,4)) AS net_of_product, sum(n.quantity) AS units_of_product
    FROM named AS n
    JOIN given AS b ON b.order_no = n.order_no AND b.product_no = n.product_no
    GROUP BY b.order_no, b.product_no, b.goods, b.quantity, b.given_back_at, b.given_back_on
),
by_product AS (
    SELECT
        n.order_no, n.line_number, n.product_key, n.product_no, n.rate, n.sold, n.units,
        greatest(n.given_back_at, b.given_back_at) AS given_back_at,
        greatest(n.given_back_on, b.given_back_on) AS given_back_on,
        CASE
            WHEN b.goods >= b.net_of_product OR (b.quantity >= b.units_of_product AND b.net_of_product - b.goods < 0.05) THEN 0
            WHEN b.goods > 0 THEN CAST(CAST(n.net AS DECIMAL(19,4)) * (b.net_of_product - b.goods) / b.net_of_product AS DECIMAL(18,4))
            ELSE n.net
        END AS net,
        CASE
            WHEN b.quantity >= b.units_of_product THEN 0
            WHEN b.quantity > 0 THEN CAST(CAST(n.quantity AS DECIMAL(19,8)) * (b.units_of_product - b.quantity) / b.units_of_product AS DECIMAL(18,8))
            ELSE n.quantity
        END AS quantity
    FROM named AS n
    LEFT JOIN of_products AS b ON b.order_no = n.order_no AND b.product_no = n.product_no
),
of_orders AS (
    SELECT
        b.order_no, b.goods, b.given_back_at, b.given_back_on, CAST(sum(n.net) AS DECIMAL(18,4)) AS net_of_order
    FROM by_product AS n
    JOIN given AS b ON b.order_no = n.order_no
    WHERE b.line_number IS NULL AND b.product_no IS NULL
    GROUP BY b.order_no, b.goods, b.given_back_at, b.given_back_on
),
spread AS (
    SELECT
        n.order_no, n.line_number, n.product_key, n.product_no, n.rate, n.sold, n.units,
        coalesce(n.given_back_at, b.given_back_at) AS given_back_at,
        coalesce(n.given_back_on, b.given_back_on) AS given_back_on,
        CASE
            WHEN b.goods >= b.net_of_order THEN 0
            WHEN b.goods > 0 THEN CAST(CAST(n.net AS DECIMAL(19,4)) * (b.net_of_order - b.goods) / b.net_of_order AS DECIMAL(18,4))
            ELSE n.net
        END AS net,
        -- Who was paid back all of an order keeps nothing of it, not what came for nothing either.
        CASE WHEN b.goods >= b.net_of_order AND b.goods > 0 THEN 0 ELSE n.quantity END AS quantity
    FROM by_product AS n
    LEFT JOIN of_orders AS b ON b.order_no = n.order_no
)
SELECT
    order_no, line_number, product_key, product_no, given_back_at, given_back_on,
    CAST(CASE WHEN net > 0 OR sold = 0 THEN quantity ELSE 0 END AS DECIMAL(18,8)) AS quantity,
    CAST(units - CASE WHEN net > 0 OR sold = 0 THEN quantity ELSE 0 END AS DECIMAL(18,8)) AS quantity_given_back,
    net,
    CAST(net * rate AS DECIMAL(18,4)) AS net_base,
    CAST(CAST(sold - net AS DECIMAL(18,4)) * rate AS DECIMAL(18,4)) AS net_given_back,
    net > 0 OR (sold = 0 AND coalesce(quantity, 1) > 0) AS is_kept
FROM (
    SELECT
        order_no, line_number, product_key, product_no, rate, sold, units, quantity, given_back_at, given_back_on,
        CAST(CASE WHEN net < 0.01 THEN 0 ELSE net END AS DECIMAL(18,4)) AS net
    FROM spread
) AS rest
