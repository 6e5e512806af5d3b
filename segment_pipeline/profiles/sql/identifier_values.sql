-- One row per (identifier type, canonical value): the oldest record that carries it, how many people it was seen with, and
-- why it links nobody (`refusal`; NULL: it may link). People: accounts, and guests told apart by their other identifier.
SELECT
    c.identifier_type, c.identifier, c.hub, c.records,
    CASE
        WHEN b.reason IS NOT NULL THEN b.reason
        WHEN c.people > l.people THEN 'limit'
        WHEN c.accounts = 0 AND c.guests > $guest_limit AND c.identifier_type IN ('email', 'phone') THEN 'limit_guests'
    END AS refusal
FROM (
    SELECT
        i.identifier_type, i.identifier,
        min(i.record_no) AS hub,
        count(*) AS records,
        count(*) FILTER (WHERE r.class IN ('account', 'named')) AS accounts,
        count(*) FILTER (WHERE r.class = 'guest') AS guests,
        count(*) FILTER (WHERE r.entity = 'customer') + count(DISTINCT CASE WHEN r.class = 'guest' THEN o.identifier END) AS people
    FROM identifiers AS i
    JOIN records AS r ON r.record_no = i.record_no
    LEFT JOIN (
        SELECT record_no, identifier_type, min(identifier) AS identifier
        FROM identifiers
        WHERE strength >= 4
        GROUP BY record_no, identifier_type
    ) AS o
        ON r.class = 'guest' AND o.record_no = i.record_no AND o.identifier_type <> i.identifier_type
    GROUP BY i.identifier_type, i.identifier
) AS c
LEFT JOIN people_limits AS l ON l.identifier_type = c.identifier_type
LEFT JOIN blocked_identifiers AS b ON b.identifier_type = c.identifier_type AND b.identifier = c.identifier
