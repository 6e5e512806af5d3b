-- One row per (device, person) seen together: `group_no` is the oldest record of the person's component.
SELECT l.anonymous_id, c.group_no, sum(l.weight) AS weight, max(l.last_at) AS last_at
FROM (
    SELECT v.anonymous_id, r.record_no, sum(v.events) AS weight, max(v.last_at) AS last_at
    FROM visits_by_contact AS v
    JOIN records AS r
        ON r.source = CASE WHEN v.customer_key IS NOT NULL THEN v.customer_source ELSE v.source END
        AND r.entity = CASE WHEN v.customer_key IS NOT NULL THEN 'customer' ELSE 'email' END
        AND r.record_key = CASE WHEN v.customer_key IS NOT NULL THEN v.customer_key ELSE sha256(v.email) END
    WHERE v.anonymous_id IS NOT NULL AND (v.customer_key IS NOT NULL OR v.email IS NOT NULL)
    GROUP BY v.anonymous_id, r.record_no
    UNION ALL
    SELECT t.anonymous_id, r.record_no, count(*) AS weight, max(t.seen_at) AS last_at
    FROM touches AS t
    JOIN records AS r
        ON r.source = t.source
        AND r.entity = CASE WHEN t.customer_key IS NULL THEN t.entity ELSE 'customer' END
        AND r.record_key = coalesce(t.customer_key, t.record_key)
    WHERE t.anonymous_id IS NOT NULL AND (t.customer_key IS NOT NULL OR t.email IS NOT NULL OR t.phone IS NOT NULL)
    GROUP BY t.anonymous_id, r.record_no
) AS l
JOIN strong_groups AS c ON c.record_no = l.record_no
GROUP BY l.anonymous_id, c.group_no
