-- One row per guest order or cart and e-mail or phone that several of them carry.
SELECT i.value_no, i.record_no, r.source
FROM value_counts AS c
JOIN identifiers AS i ON i.value_no = c.value_no
JOIN records AS r ON r.record_no = i.record_no
WHERE c.guests > 3 AND c.identifier_type IN ('email', 'phone') AND i.entity IN ('order', 'cart')
