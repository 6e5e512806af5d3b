-- One row per person who owns a key the audience holds or may hold, under the id that stands for them now.
SELECT DISTINCT coalesce(a.new_profile_id, o.profile_id) AS profile_id
FROM (SELECT unnest(owners) AS profile_id FROM audience_members WHERE state <> 'rejected') AS o
LEFT JOIN profile_aliases AS a ON a.old_profile_id = o.profile_id
