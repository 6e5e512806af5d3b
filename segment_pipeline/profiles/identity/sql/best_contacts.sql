-- One row per person and type: the e-mail and the phone to use. Those only that may be sent to and are theirs; consented first, denied last, then what the most
-- trusted account holds now, then the newest seen.
SELECT person_no, identifier_type, identifier
FROM (
    SELECT
        p.person_no, v.identifier_type, w.identifier,
        row_number() OVER (
            PARTITION BY p.person_no, v.identifier_type
            ORDER BY
                CASE WHEN c.granted THEN 0 WHEN c.granted IS NULL THEN 1 ELSE 2 END,
                coalesce(h.place, 1000000),
                p.last_seen_at DESC,
                w.identifier
        ) AS place
    FROM person_values AS p
    JOIN identifier_values AS v ON v.value_no = p.value_no
    JOIN numbered_values AS w ON w.value_no = p.value_no
    LEFT JOIN held_values AS h ON h.person_no = p.person_no AND h.value_no = p.value_no
    LEFT JOIN (
        SELECT n.value_no, s.granted
        FROM consent_states AS s
        JOIN numbered_values AS n ON n.identifier_type = s.identifier_type AND n.identifier = s.identifier
        WHERE s.channel = CASE s.identifier_type WHEN 'email' THEN 'email' WHEN 'phone' THEN 'sms' END
    ) AS c ON c.value_no = p.value_no
    WHERE v.mailable AND NOT p.former AND coalesce(v.refusal, '') NOT IN ('limit', 'limit_guests', 'disagreeing') AND v.identifier_type IN ('email', 'phone')
) AS ranked
WHERE place = 1
