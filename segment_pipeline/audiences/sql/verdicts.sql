-- One row per candidate with the final reason; NULL: eligible. Over the limit the people already held come first, then hash order.
SELECT
    j.profile_id,
    CASE
        WHEN j.reason IS NOT NULL THEN j.reason
        WHEN d.profile_id IS NULL THEN 'claimed'
        WHEN d.variant = 'holdout' THEN 'holdout'
        WHEN l.place > $most THEN 'over_limit'
    END AS reason
FROM judged AS j
LEFT JOIN drawn AS d ON d.profile_id = j.profile_id
LEFT JOIN (
    SELECT
        d.profile_id,
        row_number() OVER (
            ORDER BY CASE WHEN h.profile_id IS NULL THEN 1 ELSE 0 END, sha256($audience || ':' || d.profile_id), d.profile_id
        ) AS place
    FROM drawn AS d
    LEFT JOIN holders AS h ON h.profile_id = d.profile_id
    WHERE d.variant <> 'holdout'
) AS l ON l.profile_id = j.profile_id
