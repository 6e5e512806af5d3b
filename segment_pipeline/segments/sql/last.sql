-- One row per person, item and activity name that a rule looks for after, or beside, another activity: when it last happened.
-- Only of the items such other activities of the person are about.
SELECT a.person_no, a.item_key, a.name, max(a.occurred_at) AS last_at
FROM activities AS a
JOIN (SELECT DISTINCT person_no, item_key FROM segment_candidates) AS f
    ON f.person_no = a.person_no AND f.item_key = a.item_key
WHERE list_contains($names, a.name) AND a.occurred_on <= $as_of
GROUP BY a.person_no, a.item_key, a.name
