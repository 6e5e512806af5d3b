-- One row per segment the person is in, with the day they last entered it (NULL: before the history held).
SELECT
    m.segment,
    (
        SELECT max(c.as_of)
        FROM membership_changes AS c
        WHERE c.segment = m.segment AND c.profile_id = m.profile_id AND c.change = 'entered'
    ) AS entered_on
FROM memberships AS m INNER JOIN person USING (profile_id)
ORDER BY m.segment
