-- One row per person and type: the e-mail and the phone to use. Usable ones only; consented first, denied last, then what the most
-- trusted account holds now, then the newest seen.
SELECT profile_id, identifier_type, identifier
FROM (
    SELECT
        i.profile_id, i.identifier_type, i.identifier,
        row_number() OVER (
            PARTITION BY i.profile_id, i.identifier_type
            ORDER BY
                CASE WHEN c.granted THEN 0 WHEN c.granted IS NULL THEN 1 ELSE 2 END,
                coalesce(h.place, 1000000),
                i.last_seen_at DESC,
                i.identifier
        ) AS place
    FROM person_identifiers AS i
    LEFT JOIN consent_states AS c
        ON c.identifier_type = i.identifier_type AND c.identifier = i.identifier
        AND c.channel = CASE i.identifier_type WHEN 'email' THEN 'email' ELSE 'sms' END
    LEFT JOIN (
        SELECT profile_id, 'email' AS identifier_type, email AS identifier, min(place) AS place
        FROM person_accounts
        WHERE email IS NOT NULL
        GROUP BY profile_id, email
        UNION ALL
        SELECT profile_id, 'phone', phone, min(place)
        FROM person_accounts
        WHERE phone IS NOT NULL
        GROUP BY profile_id, phone
    ) AS h ON h.profile_id = i.profile_id AND h.identifier_type = i.identifier_type AND h.identifier = i.identifier
    WHERE i.usable AND i.identifier_type IN ('email', 'phone')
) AS ranked
WHERE place = 1
