-- One row per record an order can be somebody's by: its customer, or of a guest the order itself.
SELECT entity = 'order' AS guest, key_no, person_no
FROM activity_persons
WHERE entity IN ('customer', 'order')
