-- One row per (record, value) by the end of as_of: the strongest evidence, and whether an account carries it now, or did and
-- does not any more.
SELECT
    m.record_no, v.value_no, min(m.entity) AS entity, min(m.strength) AS strength, max(m.seen_at) AS seen_at, bool_or(m.held) AS held,
    bool_or(m.former) AND NOT bool_or(m.held) AS former
FROM mentions AS m
JOIN numbered_values AS v ON v.identifier_type = m.identifier_type AND v.identifier = m.identifier
GROUP BY m.record_no, v.value_no
