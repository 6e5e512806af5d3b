-- One row per destination key that is desired, held, or was refused, with what has to change about it. Narrow: most of a large
-- audience stays as it is, and what is sent of the rest is looked up for the rest. What was refused in the future, by a clock that was
-- ahead, was not refused lately.
SELECT
    coalesce(d.key, h.key) AS key,
    CASE
        WHEN d.key IS NULL AND h.state = 'rejected' THEN 'forgotten'
        WHEN d.key IS NULL AND starts_with(h.refused, 'remove:') AND h.refreshed_at > $removals_again_before AND h.refreshed_at <= $now THEN 'stuck'
        WHEN d.key IS NULL THEN 'leaving'
        WHEN h.key IS NULL THEN 'added'
        WHEN h.refused = d.payload_hash AND h.refreshed_at > $try_again_before AND h.refreshed_at <= $now THEN 'refused'
        WHEN h.refused = 'passing:' || d.payload_hash AND h.refreshed_at > $passed_before AND h.refreshed_at <= $now THEN 'refused'
        WHEN h.state = 'rejected' THEN 'added'
        WHEN h.state = 'uncertain' THEN 'resent'
        WHEN h.payload_hash <> d.payload_hash THEN 'updated'
        WHEN h.refreshed_at <= $refresh_before THEN 'refreshed'
        ELSE 'unchanged'
    END AS change,
    coalesce(h.state, 'rejected') <> 'rejected' AS held,
    h.vendor_id,
    d.key IS NOT NULL AND h.key IS NOT NULL AND coalesce(o.owners, [d.owner]) <> h.owners AS new_owners
FROM desired AS d
FULL JOIN audience_members AS h ON h.key = d.key
LEFT JOIN desired_owners AS o ON o.key = d.key
