-- One row per person in the segment as of the day, under the id that stands for them now. A person is in a segment once a day.
SELECT m.profile_id
FROM memberships AS m
LEFT JOIN profile_aliases AS a ON a.old_profile_id = m.profile_id
WHERE m.segment = $segment AND a.old_profile_id IS NULL
UNION ALL
SELECT DISTINCT a.new_profile_id AS profile_id
FROM profile_aliases AS a
JOIN memberships AS m ON m.profile_id = a.old_profile_id AND m.segment = $segment
LEFT JOIN memberships AS n ON n.profile_id = a.new_profile_id AND n.segment = $segment
WHERE n.profile_id IS NULL
