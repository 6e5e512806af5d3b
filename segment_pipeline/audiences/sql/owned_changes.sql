-- One row per (changing key, owner under their present id): who gains and who loses a key.
SELECT DISTINCT o.key, o.change, coalesce(a.new_profile_id, o.profile_id) AS profile_id
FROM (
    SELECT key, change, unnest(owners) AS profile_id
    FROM compared
    WHERE change IN ('added', 'leaving')
) AS o
LEFT JOIN profile_aliases AS a ON a.old_profile_id = o.profile_id
