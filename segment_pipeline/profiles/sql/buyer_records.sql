-- One row per record an order can be somebody's by: its customer, or of a guest the order itself.
SELECT p.source, p.entity = 'order' AS guest, p.record_key, w.person_no
FROM persons AS p
JOIN people AS w ON w.profile_id = p.profile_id
WHERE p.entity IN ('customer', 'order')
