-- One row per person, channel and instant from which a statement about marketing counts that says otherwise than the one before it;
-- of several at one instant the no counts. `source`: one of those that said so.
SELECT person_no, source, channel, recorded_at, CAST(timezone($zone, recorded_at) AS DATE) AS recorded_on, granted
FROM (
    SELECT *, lag(granted) OVER (PARTITION BY person_no, channel ORDER BY recorded_at) AS granted_before
    FROM (
        SELECT p.person_no, min(c.source) AS source, c.channel, c.recorded_at, bool_and(c.status = 'granted') AS granted
        FROM consent_statements AS c
        JOIN consent_persons AS p ON p.identifier_type = c.identifier_type AND p.identifier = c.identifier
        WHERE c.purpose = 'marketing' AND c.channel IN ('email', 'sms', 'ads', 'mail', 'push') AND c.recorded_at < $end
        GROUP BY p.person_no, c.channel, c.recorded_at
    ) AS said
) AS told
WHERE granted_before IS NULL OR granted_before <> granted
