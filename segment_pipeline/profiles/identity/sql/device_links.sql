-- One row per (device, person) seen together: `group_no` is the oldest record of the person's component.
SELECT d.oldest_no, c.group_no, CAST(sum(l.weight) AS BIGINT) AS weight
FROM (
    SELECT v.anonymous_id, r.record_no, v.events AS weight
    FROM visits_by_contact AS v
    JOIN records AS r ON r.class IN ('account', 'named') AND r.source = v.customer_source AND r.entity = 'customer' AND r.record_key = v.customer_key
    UNION ALL
    SELECT v.anonymous_id, a.record_no, v.events
    FROM visits_by_contact AS v
    JOIN numbered_addresses AS a ON a.source = v.source AND a.email = v.email
    WHERE v.customer_key IS NULL
    UNION ALL
    SELECT anonymous_id, record_no, times
    FROM numbered_touches
    WHERE entity = 'customer' OR email IS NOT NULL OR phone IS NOT NULL
) AS l
JOIN weak_devices AS d ON d.anonymous_id = l.anonymous_id
JOIN strong_groups AS c ON c.record_no = l.record_no
GROUP BY d.oldest_no, c.group_no
