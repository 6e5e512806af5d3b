-- One row per profile_id that another one gave way to between two days by a merge or a split.
SELECT DISTINCT new_profile_id AS profile_id
FROM profile_aliases
WHERE cause IN ('merge', 'split') AND since <= CAST($day AS DATE) AND since > CAST($previous AS DATE)
