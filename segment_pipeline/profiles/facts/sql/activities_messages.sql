-- One row per thing a message to a person met with.
SELECT
    coalesce(c.profile_id, m.profile_id, d.profile_id) AS profile_id, coalesce(c.person_no, m.person_no, d.person_no) AS person_no,
    concat_ws('_', 'message', s.type) AS name, 'messages' AS told_by, s.occurred_at, s.occurred_on, s.source,
    coalesce(g.name, s.campaign_key) AS campaign, s.channel
FROM messages AS s
LEFT JOIN activity_customers AS c ON c.customer_no = s.customer_no
LEFT JOIN activity_addresses AS m ON m.source = s.source AND m.email = s.email
LEFT JOIN activity_persons AS d ON d.entity = 'device' AND d.key_no = s.device_no
LEFT JOIN campaigns_as_of AS g ON g.source = s.source AND g.campaign_key = s.campaign_key
WHERE coalesce(c.person_no, m.person_no, d.person_no) IS NOT NULL AND s.occurred_on BETWEEN $since AND $as_of
