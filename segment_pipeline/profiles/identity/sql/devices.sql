-- One row per device or browser id: the person it was seen with most (`group_no`; NULL: nobody yet), and why it links
-- nobody (`refusal`; NULL: it may). A device joins a person, it never joins two people.
SELECT
    d.anonymous_id, d.oldest_no, d.records,
    CASE
        WHEN b.reason IS NOT NULL THEN b.reason
        WHEN s.people > l.people THEN 'limit'
    END AS refusal,
    s.group_no
FROM weak_devices AS d
LEFT JOIN (
    SELECT oldest_no, count(*) AS people, max(CASE WHEN place = 1 THEN group_no END) AS group_no
    FROM (
        SELECT oldest_no, group_no, row_number() OVER (PARTITION BY oldest_no ORDER BY weight DESC, group_no) AS place
        FROM device_links
    ) AS ranked
    GROUP BY oldest_no
) AS s ON s.oldest_no = d.oldest_no
LEFT JOIN people_limits AS l ON l.identifier_type = 'anonymous_id'
LEFT JOIN blocked_identifiers AS b ON b.identifier_type = 'anonymous_id' AND b.identifier = d.anonymous_id
