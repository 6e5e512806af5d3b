-- One row per person and value a record of theirs carries, and when last. Values of accounts that are gone, and of older
-- versions, stay with the person.
SELECT r.person_no, i.value_no, max(i.seen_at) AS last_seen_at
FROM identifiers AS i
JOIN person_records AS r ON r.record_no = i.record_no
GROUP BY r.person_no, i.value_no
