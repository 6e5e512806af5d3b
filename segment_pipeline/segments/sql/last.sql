-- One row per person, item and activity name that a rule looks for after, or beside, another activity: when it last happened.
SELECT profile_id, item_key, name, max(occurred_at) AS last_at
FROM segment_activities
WHERE item_key IS NOT NULL AND list_contains($names, name)
GROUP BY profile_id, item_key, name
