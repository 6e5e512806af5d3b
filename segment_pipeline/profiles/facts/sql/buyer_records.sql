-- One row per record an order can be somebody's by: its customer, or of a guest the order itself. No two have one number.
SELECT key_no, person_no
FROM activity_persons
WHERE entity IN ('customer', 'order')
