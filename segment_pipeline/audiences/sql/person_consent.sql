-- One row per person of whom any identifier has a statement. A denial on a shared identifier counts for each who shares it;
-- a grant on a shared identifier covers that identifier alone, because it is not known who gave it.
-- A yes on an identifier the person has given up covers nothing any more; a no on it still counts. Identifiers over the limit of
-- people who share them speak for themselves alone.
-- `withheld_at`: when the no was said that keeps every identifier out which was not granted itself later; NULL: there is none. In the
-- channels of an address only a later yes of the account lifts it for all of them; elsewhere any later yes does.
-- `granted_kinds`: one bit per kind of identifier the destination takes, set where a grant is about one of that kind.
SELECT
    profile_id,
    granted_at IS NOT NULL AND (denied_at IS NULL OR granted_at > denied_at) AS granted,
    denied_at IS NOT NULL AND (granted_at IS NULL OR denied_at >= granted_at) AS denied,
    CASE
        WHEN CASE WHEN $person_level THEN granted_at ELSE account_granted_at END > denied_at THEN NULL
        ELSE denied_at
    END AS withheld_at,
    any_granted,
    account_granted,
    granted_kinds
FROM (
    SELECT
        k.profile_id,
        max(CASE WHEN c.status = 'granted' AND s.identifier IS NULL AND k.standing = 'current' THEN c.recorded_at END) AS granted_at,
        max(CASE
            WHEN c.status = 'granted' AND c.identifier_type = 'customer_key' AND s.identifier IS NULL AND k.standing = 'current' THEN c.recorded_at
        END) AS account_granted_at,
        max(CASE WHEN c.status = 'denied' AND k.standing <> 'shared' THEN c.recorded_at END) AS denied_at,
        bool_or(c.status = 'granted' AND k.standing <> 'former') AS any_granted,
        bool_or(c.status = 'granted' AND c.identifier_type = 'customer_key' AND k.standing = 'current') AS account_granted,
        bit_or(CASE WHEN c.status = 'granted' AND k.standing <> 'former' AND d.bit IS NOT NULL THEN d.bit ELSE 0 END) AS granted_kinds
    FROM known_identifiers AS k
    JOIN consent_now AS c ON c.identifier_type = k.identifier_type AND c.identifier = k.identifier
    LEFT JOIN shared_identifiers AS s ON s.identifier_type = k.identifier_type AND s.identifier = k.identifier
    LEFT JOIN destination_kinds AS d ON d.kind = k.identifier_type
    GROUP BY k.profile_id
)
