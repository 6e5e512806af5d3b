-- One row per event of a person, of whatever day: the customer named first, then the address, then the device. `told_subject` and
-- `told_text` are what it says of them: events landed before `subject` and `text` were columns hold them among their properties.
SELECT
    e.*,
    coalesce(c.profile_id, m.profile_id, d.profile_id) AS profile_id,
    coalesce(c.person_no, m.person_no, d.person_no) AS person_no,
    coalesce(e.subject, CASE e.name
        WHEN 'social_engaged' THEN json_extract_string(e.properties, '$.network')
        WHEN 'content_viewed' THEN json_extract_string(e.properties, '$.topic')
    END) AS told_subject,
    coalesce(e.text, CASE e.name
        WHEN 'search' THEN json_extract_string(e.properties, '$.query')
        WHEN 'social_engaged' THEN json_extract_string(e.properties, '$.action')
        WHEN 'visit' THEN json_extract_string(e.properties, '$.landing_page')
    END) AS told_text
FROM events AS e
LEFT JOIN activity_customers AS c ON c.customer_no = e.customer_no
LEFT JOIN activity_addresses AS m ON m.source = e.source AND m.email = e.email
LEFT JOIN activity_persons AS d ON d.entity = 'device' AND d.key_no = e.device_no
WHERE coalesce(c.person_no, m.person_no, d.person_no) IS NOT NULL
