-- One row per profile_id an alias may end at, or may have begun at: whoever holds records of a lost id, and ids of aliases.
SELECT n.profile_id
FROM identities_newest AS n
JOIN lost_members AS m ON m.source = n.source AND m.entity = n.entity AND m.record_key = n.record_key
UNION
SELECT old_profile_id AS profile_id FROM aliases_before
UNION
SELECT new_profile_id AS profile_id FROM aliases_before
