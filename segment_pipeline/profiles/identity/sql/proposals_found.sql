-- One row per value that seems to be nobody's own: more people share it than the limit, or accounts of four names and more have it.
SELECT
    n.identifier_type, n.identifier, f.reason, CAST(f.records AS BIGINT) AS records, CAST(f.people AS BIGINT) AS people
FROM (
    SELECT
        v.value_no,
        max(v.records) AS records,
        count(DISTINCT p.person_no) AS people,
        CASE WHEN max(v.refusal) IS NOT NULL THEN max(v.refusal) ELSE 'many_names' END AS reason
    FROM identifier_values AS v
    JOIN identifiers AS i ON i.value_no = v.value_no
    LEFT JOIN account_facts AS a ON a.record_no = i.record_no
    LEFT JOIN person_records AS p ON p.record_no = i.record_no
    WHERE v.identifier_type IN ('email', 'phone', 'loyalty_id') AND v.records > 3
        AND (v.refusal IS NULL OR v.refusal IN ('limit', 'limit_guests', 'disagreeing'))
    GROUP BY v.value_no
    HAVING max(v.refusal) IS NOT NULL OR count(DISTINCT a.full_name) > 3
) AS f
JOIN numbered_values AS n ON n.value_no = f.value_no
