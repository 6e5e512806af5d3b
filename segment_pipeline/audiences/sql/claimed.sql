-- One row per person an audience held back from those after it, under the id that stands for them now.
SELECT DISTINCT coalesce(a.new_profile_id, c.profile_id) AS profile_id
FROM claims AS c
LEFT JOIN profile_aliases AS a ON a.old_profile_id = c.profile_id
