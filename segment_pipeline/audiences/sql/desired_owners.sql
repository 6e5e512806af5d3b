-- One row per desired key with more than one owner: all of them.
SELECT o.key, list_sort(array_agg(o.profile_id)) AS owners
FROM owned AS o
JOIN desired_keys AS d ON d.key = o.key AND d.owners > 1
GROUP BY o.key
