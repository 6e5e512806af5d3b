-- One row per leaving key and owner, under the id that stands for them now.
SELECT DISTINCT o.key, coalesce(a.new_profile_id, o.profile_id) AS profile_id
FROM (SELECT key, unnest(owners) AS profile_id FROM leaving_held) AS o
LEFT JOIN profile_aliases AS a ON a.old_profile_id = o.profile_id
