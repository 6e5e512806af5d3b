-- One row per value: the oldest record that carries it, how many do, and why it links nobody
-- (`refusal`; NULL: it may link), and whether it can be somebody's to be sent to (`mailable`). People are counted as customers, and as guests told apart by their other identifier.
-- Of guests' orders and carts a count alone says nothing: what else comes with a value, and whether it agrees, tells one regular
-- guest from an address that many share. Names tell where half of the records have one; else, for an e-mail, its phones.
-- `disagreeing`: four or more different ones, none of them on more than half of the records that tell one. `limit_guests`: more
-- records than the limit without an account, and on no more than half of them the same name; where their sources tell no names,
-- the same other identifier or device.
SELECT
    c.value_no, c.identifier_type, c.hub, c.records,
    CASE
        WHEN NOT b.mailable THEN b.reason
        WHEN c.customers + coalesce(g.companions, 0) > l.people THEN 'limit'
        WHEN e.names_told * 2 >= c.guests AND e.names > 3 AND e.names_most * 2 <= e.names_told THEN 'disagreeing'
        WHEN e.names_told * 2 < c.guests AND c.identifier_type = 'email' AND e.other_values > 3 AND e.values_most * 2 <= e.values_told
            THEN 'disagreeing'
        WHEN c.accounts = 0 AND c.guests > $guest_limit AND c.identifier_type IN ('email', 'phone')
            AND NOT coalesce(
                e.names_most * 2 > c.guests OR (NOT e.tells AND (e.values_most * 2 > c.guests OR e.devices_most * 2 > c.guests)),
                FALSE
            ) THEN 'limit_guests'
        -- An office's address that is more than an office's is told as that.
        WHEN b.reason IS NOT NULL THEN b.reason
    END AS refusal,
    coalesce(b.mailable, TRUE) AND NOT (c.identifier_type = 'email' AND regexp_matches(n.identifier, $unreachable)) AS mailable
FROM value_counts AS c
JOIN numbered_values AS n ON n.value_no = c.value_no
LEFT JOIN guest_companions AS g ON g.value_no = c.value_no
LEFT JOIN guest_evidence AS e ON e.value_no = c.value_no
LEFT JOIN people_limits AS l ON l.identifier_type = c.identifier_type
LEFT JOIN blocked_identifiers AS b ON b.value_no = c.value_no
