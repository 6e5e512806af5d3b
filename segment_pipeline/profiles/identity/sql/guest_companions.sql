-- One row per value on guest orders and carts: how many other identifiers stand beside it.
SELECT i.value_no, count(DISTINCT o.value_no) AS companions
FROM identifiers AS i
JOIN identifiers AS o ON o.record_no = i.record_no AND o.value_no <> i.value_no
WHERE i.entity IN ('order', 'cart') AND o.entity IN ('order', 'cart')
GROUP BY i.value_no
