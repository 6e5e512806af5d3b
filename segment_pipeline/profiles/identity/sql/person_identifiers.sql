-- One row per identifier a person is known by, with what it is good for: its `standing` (docs/consent.md). `usable`: it may be
-- sent to.
SELECT profile_id, identifier_type, identifier, last_seen_at, standing IN ('current', 'shared') AS usable, standing
FROM (
    SELECT
        k.profile_id, n.identifier_type, n.identifier, p.last_seen_at,
        CASE
            WHEN NOT v.mailable THEN 'blocked'
            WHEN p.former THEN 'former'
            WHEN v.refusal IN ('limit', 'limit_guests', 'disagreeing') THEN 'shared'
            ELSE 'current'
        END AS standing
    FROM person_values AS p
    JOIN known_people AS k ON k.person_no = p.person_no
    JOIN identifier_values AS v ON v.value_no = p.value_no
    JOIN numbered_values AS n ON n.value_no = p.value_no
    UNION ALL
    -- Keys of customers that say nothing but who they are.
    SELECT
        k.profile_id, 'customer_key', concat_ws(':', r.source, r.record_key), r.created_at,
        CASE WHEN a.gone THEN 'former' ELSE 'current' END
    FROM records AS r
    JOIN person_records AS p ON p.record_no = r.record_no
    JOIN known_people AS k ON k.person_no = p.person_no
    LEFT JOIN accounts AS a ON a.record_no = r.record_no
    LEFT JOIN (
        SELECT DISTINCT i.record_no
        FROM identifiers AS i
        JOIN identifier_values AS v ON v.value_no = i.value_no
        WHERE v.identifier_type = 'customer_key' AND i.entity = 'customer'
    ) AS said ON said.record_no = r.record_no
    WHERE r.entity = 'customer' AND said.record_no IS NULL
) AS known
