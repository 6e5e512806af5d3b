-- One row per current person an id stands for: itself, or the id that took its place.
SELECT p.profile_id
FROM profiles AS p
WHERE p.profile_id = coalesce(
    (SELECT a.new_profile_id FROM profile_aliases AS a WHERE a.old_profile_id = $profile_id), $profile_id
)
