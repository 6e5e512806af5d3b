-- One row per person in the segment as of the day, under the id that stands for them now.
SELECT DISTINCT coalesce(a.new_profile_id, m.profile_id) AS profile_id
FROM memberships AS m
LEFT JOIN profile_aliases AS a ON a.old_profile_id = m.profile_id
WHERE m.segment = $segment
