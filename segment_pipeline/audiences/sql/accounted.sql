-- One row per destination key desired or held before, with the one heading it is counted under.
-- The worst that happened to it in any plan of the run wins; what no plan sent was held back.
SELECT
    c.key,
    CASE
        WHEN c.change IN ('leaving', 'stuck') THEN
            CASE
                WHEN r.worst = 4 THEN 'uncertain_removals'
                WHEN r.worst = 3 THEN 'held_removals'
                WHEN r.worst = 2 OR c.change = 'stuck' THEN 'remove_rejected'
                WHEN m.key IS NULL THEN 'removed'
                ELSE 'held_removals'
            END
        WHEN r.worst = 4 THEN 'uncertain'
        WHEN r.worst = 3 THEN 'held'
        WHEN r.worst = 2 OR c.change = 'refused' THEN 'rejected'
        WHEN r.worst = 1 AND c.change = 'added' THEN 'added'
        WHEN r.worst = 1 THEN 'updated'
        WHEN c.change = 'unchanged' THEN 'unchanged'
        ELSE 'held'
    END AS heading
FROM compared AS c
LEFT JOIN (
    SELECT
        key,
        operation,
        max(CASE result WHEN 'done' THEN 1 WHEN 'rejected' THEN 2 WHEN 'withheld' THEN 3 ELSE 4 END) AS worst
    FROM all_results
    WHERE batch <> 0
    GROUP BY key, operation
) AS r ON r.key = c.key AND r.operation = CASE WHEN c.change IN ('leaving', 'stuck') THEN 'remove' ELSE 'upsert' END
LEFT JOIN (
    SELECT n.key
    FROM audience_members_now AS n
    JOIN compared AS l ON l.key = n.key AND l.change IN ('leaving', 'stuck')
) AS m ON m.key = c.key
WHERE c.change <> 'forgotten'
