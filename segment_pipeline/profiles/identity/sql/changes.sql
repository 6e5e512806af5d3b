-- One row per person who gave way to another (merge), part that left a person (split) and value newly over its limit, against
-- the previous existing snapshot.
SELECT
    'merge' AS kind, coalesce(w.rule, 'anonymous_id') AS rule, g.now_is AS profile_id, g.was AS other_profile_id,
    CAST(g.records AS BIGINT) AS records, coalesce(w.evidence, '') AS evidence
FROM (
    SELECT now_is, was, count(*) AS records FROM moves GROUP BY now_is, was
) AS g
JOIN (
    SELECT now_is FROM moves GROUP BY now_is HAVING count(DISTINCT was) > 1
) AS several ON several.now_is = g.now_is
LEFT JOIN (
    SELECT now_is, was, identifier_type AS rule, evidence
    FROM (
        SELECT k.now_is, k.was, k.identifier_type, k.evidence,
            row_number() OVER (PARTITION BY k.now_is, k.was ORDER BY min(k.strength), k.identifier_type, k.evidence) AS place
        FROM record_moves AS k
        JOIN (
            SELECT now_is, evidence FROM record_moves WHERE refusal IS NULL GROUP BY now_is, evidence HAVING count(DISTINCT was) > 1
        ) AS shared ON shared.now_is = k.now_is AND shared.evidence = k.evidence
        GROUP BY k.now_is, k.was, k.identifier_type, k.evidence
    ) AS ranked
    WHERE place = 1
) AS w ON w.now_is = g.now_is AND w.was = g.was
WHERE g.was <> g.now_is
UNION ALL
SELECT
    'split', coalesce(w.rule, 'source'), g.now_is, g.was, CAST(g.records AS BIGINT), coalesce(w.evidence, '')
FROM (
    SELECT now_is, was, count(*) AS records FROM moves GROUP BY now_is, was
) AS g
JOIN (
    SELECT was FROM moves GROUP BY was HAVING count(DISTINCT now_is) > 1
) AS several ON several.was = g.was
LEFT JOIN (
    SELECT was, min(concat_ws(':', identifier_type, coalesce(refusal, 'contradiction'))) AS rule, min(evidence) AS evidence
    FROM (
        SELECT was, identifier_type, refusal, evidence
        FROM record_moves
        WHERE was <> 'new'
        GROUP BY was, identifier_type, refusal, evidence
        HAVING count(DISTINCT now_is) > 1
    ) AS torn
    GROUP BY was
) AS w ON w.was = g.was
WHERE g.was <> g.now_is
UNION ALL
SELECT 'limit', t.rule, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), t.records, t.evidence
FROM states AS t
LEFT JOIN states_before AS b ON b.evidence = t.evidence AND b.rule = t.rule
WHERE t.kind = 'blocked' AND (t.rule LIKE '%:limit' OR t.rule LIKE '%:limit_guests') AND b.evidence IS NULL
