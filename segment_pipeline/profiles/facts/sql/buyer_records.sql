-- One row per record an order can be somebody's by: its customer, or of a guest the order itself.
SELECT source, entity = 'order' AS guest, record_key, person_no
FROM activity_persons
WHERE entity IN ('customer', 'order')
