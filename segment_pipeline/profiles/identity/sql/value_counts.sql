-- One row per value: the oldest record that carries it, and how many do, of which kind.
SELECT
    i.value_no, n.identifier_type,
    min(i.record_no) AS hub,
    count(*) AS records,
    count(CASE WHEN i.entity IN ('customer', 'loyalty') THEN 1 END) AS accounts,
    count(CASE WHEN i.entity IN ('order', 'cart') THEN 1 END) AS guests,
    count(CASE WHEN i.entity = 'customer' THEN 1 END) AS customers
FROM identifiers AS i
JOIN numbered_values AS n ON n.value_no = i.value_no
GROUP BY i.value_no, n.identifier_type
