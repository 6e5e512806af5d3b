-- One row per candidate whose identifiers have to be weighed one by one: several of one kind, or one that is blocked.
-- `candidate_identifiers` has more than one row for those with several.
SELECT profile_id
FROM candidate_identifiers
GROUP BY profile_id
HAVING count(*) > 1 OR bool_or(blocked)
