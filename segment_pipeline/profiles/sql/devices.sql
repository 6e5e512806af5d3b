-- One row per device or browser id: the person it was seen with most (`group_no`; NULL: nobody yet), and why it links
-- nobody (`refusal`; NULL: it may). A device joins a person, it never joins two people.
SELECT
    d.anonymous_id, d.oldest_no, d.records,
    coalesce(s.people, 0) AS people,
    s.last_at,
    CASE
        WHEN b.reason IS NOT NULL THEN b.reason
        WHEN s.people > l.people THEN 'limit'
    END AS refusal,
    s.group_no
FROM (
    SELECT anonymous_id, min(record_no) AS oldest_no, count(*) AS records
    FROM weak_records
    GROUP BY anonymous_id
) AS d
LEFT JOIN (
    SELECT anonymous_id, count(*) AS people, max(last_at) AS last_at, max(CASE WHEN place = 1 THEN group_no END) AS group_no
    FROM (
        SELECT anonymous_id, group_no, last_at, row_number() OVER (PARTITION BY anonymous_id ORDER BY weight DESC, group_no) AS place
        FROM device_links
    ) AS ranked
    GROUP BY anonymous_id
) AS s ON s.anonymous_id = d.anonymous_id
LEFT JOIN people_limits AS l ON l.identifier_type = 'anonymous_id'
LEFT JOIN blocked_identifiers AS b ON b.identifier_type = 'anonymous_id' AND b.identifier = d.anonymous_id
