-- One row per person who has an address, number or card: which they have now, that is theirs and no placeholder.
SELECT
    profile_id,
    bool_or(identifier_type = 'email') AS has_email,
    bool_or(identifier_type = 'phone') AS has_phone,
    bool_or(identifier_type = 'loyalty_id') AS has_loyalty_card
FROM person_identifiers
WHERE standing = 'current' AND identifier_type IN ('email', 'phone', 'loyalty_id')
GROUP BY profile_id
