-- One row per exchange and thing it gives back: the order that is of, and whose that order is by its own customer. NULL: not named.
SELECT x.order_no, x.person_no, x.net, g.parent_no, g.amount, o.person_no AS buyer_no
FROM returned_orders AS x
LEFT JOIN goods_returned AS g ON g.order_no = x.order_no
LEFT JOIN owned_orders AS o ON o.order_no = g.parent_no
WHERE x.kind = 'exchange'
