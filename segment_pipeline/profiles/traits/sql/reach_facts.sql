-- One row per person with an e-mail or phone that may be reached at as_of, and through which channels; whom a statement covers is
-- said in docs/consent.md. An address is covered by a yes on itself or on the account, in `ads` by one on any identifier nobody else
-- has, where it is newer than every no on any identifier of theirs. One that more people share than the limit reaches nobody in
-- particular. A suppression of one channel takes out an identifier; one of all channels, or an erasure, the person.
SELECT
    i.profile_id,
    bool_or(i.identifier_type = 'email' AND t.channel = 'email') AS email_reachable,
    bool_or(i.identifier_type = 'phone' AND t.channel = 'sms') AS sms_reachable,
    bool_or(t.channel = 'ads') AS ads_reachable
FROM person_identifiers AS i
JOIN (
    SELECT
        profile_id, channel,
        max(CASE
            WHEN granted AND standing = 'current' AND is_own AND (identifier_type = 'customer_key' OR channel = 'ads') THEN recorded_at
        END) AS granted_at,
        max(CASE WHEN NOT granted AND standing <> 'shared' THEN recorded_at END) AS denied_at
    FROM (
        SELECT
            p.profile_id, p.identifier_type, p.standing, s.channel, s.granted, s.recorded_at,
            count(*) OVER (PARTITION BY p.identifier_type, p.identifier, s.channel) = 1 AS is_own
        FROM person_identifiers AS p
        JOIN consent_states AS s ON s.identifier_type = p.identifier_type AND s.identifier = p.identifier
        WHERE p.standing <> 'blocked'
    ) AS said
    GROUP BY profile_id, channel
) AS t ON t.profile_id = i.profile_id
LEFT JOIN consent_states AS c ON c.identifier_type = i.identifier_type AND c.identifier = i.identifier AND c.channel = t.channel
LEFT JOIN (
    SELECT DISTINCT identifier_type, identifier, channel FROM suppressions WHERE recorded_at < $end
) AS u ON u.identifier_type = i.identifier_type AND u.identifier = i.identifier AND (u.channel = '*' OR u.channel = t.channel)
LEFT JOIN (
    SELECT DISTINCT p.profile_id
    FROM person_identifiers AS p
    JOIN suppressions AS s ON s.identifier_type = p.identifier_type AND s.identifier = p.identifier
    WHERE s.recorded_at < $end AND (s.channel = '*' OR s.reason = 'erased') AND p.standing IN ('current', 'former')
) AS e ON e.profile_id = i.profile_id
WHERE i.standing = 'current' AND i.identifier_type IN ('email', 'phone') AND u.identifier IS NULL AND e.profile_id IS NULL
    AND coalesce(c.granted, TRUE) AND (c.granted OR t.granted_at IS NOT NULL)
    AND (t.denied_at IS NULL OR c.recorded_at > t.denied_at OR t.granted_at > t.denied_at)
GROUP BY i.profile_id
