-- One row per special person and identifier column of the destination: the best value that may be sent.
-- Consent of the person covers every identifier where the channel is the person's (`ads`, `mail`, …); an address or a number
-- is covered by a statement about itself or about the account. Rows that may not be sent say why instead of being left out.
SELECT profile_id, field, place, alone, identifier, refusal
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY profile_id, field
            ORDER BY CASE WHEN refusal IS NULL THEN 0 ELSE 1 END, refusal DESC, golden DESC, last_seen_at DESC, identifier
        ) AS best
    FROM (
        SELECT
            k.profile_id,
            r.field,
            r.place,
            r.alone,
            k.identifier,
            coalesce(k.identifier = CASE k.identifier_type WHEN 'email' THEN g.email WHEN 'phone' THEN g.phone END, FALSE) AS golden,
            k.last_seen_at,
            CASE
                WHEN b.reason = 1 THEN 'erased'
                WHEN b.reason = 2 THEN 'suppressed'
                WHEN b.reason = 3 THEN 'no_consent'
                WHEN c.status = 'granted' OR (r.is_id AND p.any_granted) THEN NULL
                WHEN p.granted AND ($person_level OR p.account_granted) THEN NULL
                ELSE 'no_consent'
            END AS refusal
        FROM special_identifiers AS k
        JOIN destination_fields AS r ON r.kind = k.identifier_type
        LEFT JOIN profiles AS g ON g.profile_id = k.profile_id
        LEFT JOIN blocked_identifiers AS b ON b.identifier_type = k.identifier_type AND b.identifier = k.identifier
        LEFT JOIN consent_now AS c ON c.identifier_type = k.identifier_type AND c.identifier = k.identifier
        LEFT JOIN person_consent AS p ON p.profile_id = k.profile_id
    )
)
WHERE best = 1
