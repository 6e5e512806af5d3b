-- One row per time a person said yes or no to marketing in a channel, otherwise than before.
SELECT
    r.profile_id, c.person_no, CASE WHEN c.granted THEN 'consent_given' ELSE 'consent_withdrawn' END AS name, 'consents' AS told_by,
    c.recorded_at AS occurred_at, c.recorded_on AS occurred_on, c.source, c.channel
FROM consent_changes AS c
LEFT JOIN people AS r ON r.person_no = c.person_no
WHERE c.recorded_on >= $since
