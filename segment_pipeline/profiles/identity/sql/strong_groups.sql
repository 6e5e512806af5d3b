-- One row per record that belongs to somebody by its own identifiers: accounts always, the others when a value may link.
SELECT c.record_no, c.component AS group_no
FROM components AS c
JOIN records AS r ON r.record_no = c.record_no
LEFT JOIN (
    SELECT DISTINCT i.record_no
    FROM identifiers AS i
    JOIN identifier_values AS v ON v.value_no = i.value_no
    WHERE v.refusal IS NULL AND i.entity IN ('order', 'cart', 'email')
) AS u ON u.record_no = c.record_no
WHERE r.class IN ('account', 'named') OR u.record_no IS NOT NULL
