-- One row per answer of a person.
SELECT
    coalesce(c.profile_id, m.profile_id, d.profile_id) AS profile_id, coalesce(c.person_no, m.person_no, d.person_no) AS person_no,
    'survey_answered' AS name, 'answers' AS told_by, a.answered_at AS occurred_at, a.answered_on AS occurred_on, a.source,
    a.question_key AS subject, a.answer AS text, a.score
FROM survey_answers AS a
LEFT JOIN activity_customers AS c ON c.customer_no = a.customer_no
LEFT JOIN activity_addresses AS m ON m.source = a.source AND m.email = a.email
LEFT JOIN activity_persons AS d ON d.entity = 'device' AND d.key_no = a.device_no
WHERE coalesce(c.person_no, m.person_no, d.person_no) IS NOT NULL AND a.answered_on BETWEEN $since AND $as_of
