-- One row per record that belongs to a person: `person_no` is the number of the oldest of their records, the anchor.
SELECT g.record_no, coalesce(o.anchor_no, g.group_no) AS person_no
FROM (
    SELECT record_no, group_no FROM strong_groups
    UNION ALL
    SELECT record_no, group_no FROM weak_groups
) AS g
LEFT JOIN (
    SELECT group_no, min(record_no) AS anchor_no FROM weak_groups GROUP BY group_no HAVING min(record_no) < group_no
) AS o ON o.group_no = g.group_no
