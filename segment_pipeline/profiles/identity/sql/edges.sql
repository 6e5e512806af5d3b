-- One row per record and shared value it may be linked by: to the value's oldest record.
SELECT i.record_no, v.hub
FROM identifiers AS i
JOIN identifier_values AS v ON v.value_no = i.value_no
WHERE v.refusal IS NULL AND v.records > 1 AND i.record_no <> v.hub
