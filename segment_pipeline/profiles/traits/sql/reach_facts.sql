-- One row per person with a usable e-mail or phone: through which channels they may be reached at as_of. Consent stands on the
-- identifier; a newer denial on any identifier of theirs takes all of them out; suppressed identifiers are not reachable, nor is
-- anybody in particular by one that more people share than the limit.
SELECT
    i.profile_id,
    bool_or(i.identifier_type = 'email' AND c.channel = 'email') AS email_reachable,
    bool_or(i.identifier_type = 'phone' AND c.channel = 'sms') AS sms_reachable,
    bool_or(c.channel = 'ads') AS ads_reachable
FROM person_identifiers AS i
JOIN consent_states AS c ON c.identifier_type = i.identifier_type AND c.identifier = i.identifier AND c.granted
LEFT JOIN (
    SELECT p.profile_id, s.channel, max(s.recorded_at) AS recorded_at
    FROM person_identifiers AS p
    JOIN consent_states AS s ON s.identifier_type = p.identifier_type AND s.identifier = p.identifier AND NOT s.granted
    WHERE coalesce(p.standing, CASE WHEN p.usable THEN 'current' END) IN ('current', 'former')
    GROUP BY p.profile_id, s.channel
) AS d ON d.profile_id = i.profile_id AND d.channel = c.channel AND d.recorded_at >= c.recorded_at
LEFT JOIN (
    SELECT DISTINCT identifier_type, identifier, channel FROM suppressions WHERE recorded_at < $end
) AS u ON u.identifier_type = i.identifier_type AND u.identifier = i.identifier AND (u.channel = '*' OR u.channel = c.channel)
WHERE i.usable AND coalesce(i.standing, 'current') = 'current' AND i.identifier_type IN ('email', 'phone') AND d.profile_id IS NULL AND u.identifier IS NULL
GROUP BY i.profile_id
