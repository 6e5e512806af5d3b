-- One row per record known by a device alone that belongs to a person, or to a device nobody is known by.
SELECT w.record_no, coalesce(d.group_no, d.oldest_no) AS group_no
FROM weak_records AS w
JOIN devices AS d ON d.anonymous_id = w.anonymous_id
WHERE d.refusal IS NULL
