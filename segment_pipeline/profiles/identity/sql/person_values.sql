-- One row per person and value a record of theirs carries, and when last. Values of accounts that are gone, and of older
-- versions, stay with the person; `former`: an account gave it up, and no account, order or cart of theirs carries it now.
-- That messages went there, or events named it, is history.
SELECT
    r.person_no, i.value_no, max(i.seen_at) AS last_seen_at,
    bool_or(i.former) AND NOT bool_or(NOT i.former AND i.entity <> 'email') AS former
FROM identifiers AS i
JOIN person_records AS r ON r.record_no = i.record_no
GROUP BY r.person_no, i.value_no
