-- One row per person who may be sent to and whom no audience before this one claims, with their variant and whether it is new.
-- Digests are compared as text: eight hex digits below the threshold are the holdout's share of all digests.
SELECT
    j.profile_id,
    coalesce(
        v.variant,
        CASE WHEN substr(sha256($experiment || ':' || j.profile_id), 1, 8) < $threshold THEN 'holdout' ELSE 'treatment' END
    ) AS variant,
    v.variant IS NULL AS is_new
FROM judged AS j
LEFT JOIN variants AS v ON v.profile_id = j.profile_id
LEFT JOIN claimed AS c ON c.profile_id = j.profile_id
WHERE j.reason IS NULL AND c.profile_id IS NULL
