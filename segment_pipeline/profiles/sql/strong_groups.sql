-- One row per record that belongs to somebody by its own identifiers: accounts always, the others when a value may link.
SELECT c.record_no, min(c.record_no) OVER (PARTITION BY c.component) AS group_no
FROM components AS c
JOIN records AS r ON r.record_no = c.record_no
LEFT JOIN (
    SELECT i.record_no, bool_or(v.refusal IS NULL) AS usable
    FROM identifiers AS i
    JOIN identifier_values AS v ON v.identifier_type = i.identifier_type AND v.identifier = i.identifier
    GROUP BY i.record_no
) AS u ON u.record_no = c.record_no
WHERE r.class IN ('account', 'named') OR u.usable
