-- One row per time a record carries an identifier (type, canonical value) by the end of as_of. `strength`: 0 is the strongest
-- evidence; from 7 on, what an account held once and holds no more; `held`: an account carries it now, `former`: one did
-- in another version. Of customer keys only those that say something: a loyalty account's owner, and
-- that owner. Devices are not here: they are attached to a person afterwards and never join two.
SELECT record_no, entity, identifier_type, identifier, strength, seen_at, held, former
FROM (
    SELECT a.record_no, a.entity, 'customer_key' AS identifier_type, concat_ws(':', a.source, a.owner_key) AS identifier, 0 AS strength, a.updated_at AS seen_at, FALSE AS held, FALSE AS former
    FROM accounts AS a
    LEFT JOIN nameless_keys AS n ON n.source = a.source AND n.customer_key = a.owner_key
    WHERE a.owner_key IS NOT NULL AND n.customer_key IS NULL
    UNION ALL
    SELECT r.record_no, r.entity, 'customer_key', concat_ws(':', r.source, r.record_key), 0, r.created_at, FALSE, FALSE
    FROM records AS r
    JOIN (
        SELECT DISTINCT concat_ws(':', source, owner_key) AS identifier FROM accounts WHERE owner_key IS NOT NULL
    ) AS o ON o.identifier = concat_ws(':', r.source, r.record_key)
    WHERE r.entity = 'customer'
    UNION ALL
    SELECT record_no, entity, 'loyalty_id', loyalty_id, 1, updated_at, TRUE, FALSE FROM accounts
    UNION ALL
    SELECT record_no, entity, 'email', email, 2, updated_at, TRUE, FALSE FROM accounts
    UNION ALL
    SELECT record_no, entity, 'phone', phone, 3, updated_at, TRUE, FALSE FROM accounts
    UNION ALL
    SELECT record_no, entity, 'loyalty_id', loyalty_id, 7, updated_at, FALSE, TRUE FROM former_accounts
    UNION ALL
    SELECT record_no, entity, 'email', email, 8, updated_at, FALSE, TRUE FROM former_accounts
    UNION ALL
    SELECT record_no, entity, 'phone', phone, 9, updated_at, FALSE, TRUE FROM former_accounts
    UNION ALL
    SELECT record_no, entity, 'email', email, 4, seen_at, FALSE, FALSE FROM numbered_touches
    UNION ALL
    SELECT record_no, entity, 'phone', phone, 5, seen_at, FALSE, FALSE FROM numbered_touches
    UNION ALL
    SELECT record_no, 'email', 'email', email, 6, last_at, FALSE, FALSE FROM numbered_addresses
) AS carried
WHERE identifier IS NOT NULL AND identifier <> ''
