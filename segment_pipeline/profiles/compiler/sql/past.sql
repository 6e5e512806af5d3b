-- One row per segment, day before as_of and person, by every id the person had: member, entered or exited by what people did, or shown
-- to be in it by a definition that was new or changed.
SELECT p.segment, i.profile_id, p.as_of, p.what
FROM (
    SELECT segment, profile_id, as_of, 'member' AS what FROM memberships_before
    UNION ALL
    SELECT
        segment, profile_id, as_of,
        CASE WHEN cause NOT IN ('first', 'definition') THEN change WHEN change = 'entered' THEN 'shown' ELSE 'hidden' END
    FROM membership_changes
    WHERE as_of < $as_of
) AS p
JOIN (
    SELECT profile_id, profile_id AS former_id FROM people
    UNION ALL
    SELECT new_profile_id, old_profile_id FROM profile_aliases
) AS i ON i.former_id = p.profile_id
