-- One row per person, item and activity name that a rule looks for after, or beside, another activity: when it last happened.
-- Only of the items such other activities of the person are about.
SELECT a.profile_id, a.item_key, a.name, max(a.occurred_at) AS last_at
FROM segment_activities AS a
JOIN (
    SELECT DISTINCT profile_id, item_key
    FROM segment_activities
    WHERE item_key IS NOT NULL AND list_contains($followed, name)
) AS f ON f.profile_id = a.profile_id AND f.item_key = a.item_key
WHERE list_contains($names, a.name)
GROUP BY a.profile_id, a.item_key, a.name
