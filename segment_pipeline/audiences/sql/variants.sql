-- One row per person of an experiment under the id that stands for them now; after a merge the earliest draw holds, then holdout.
SELECT profile_id, variant
FROM (
    SELECT
        coalesce(a.new_profile_id, s.profile_id) AS profile_id,
        s.variant,
        row_number() OVER (
            PARTITION BY coalesce(a.new_profile_id, s.profile_id) ORDER BY s.assigned_at, s.variant, s.profile_id
        ) AS place
    FROM assignments AS s
    LEFT JOIN profile_aliases AS a ON a.old_profile_id = s.profile_id
)
WHERE place = 1
