-- One row per answer of a person.
SELECT
    coalesce(c.profile_id, m.profile_id, d.profile_id) AS profile_id, coalesce(c.person_no, m.person_no, d.person_no) AS person_no,
    'survey_answered' AS name, 'answers' AS told_by, a.answered_at AS occurred_at, a.answered_on AS occurred_on, a.source,
    a.question_key AS subject, a.answer AS text, a.score
FROM survey_answers AS a
LEFT JOIN key_spaces AS k ON k.source = a.source
LEFT JOIN activity_persons AS c
    ON c.entity = 'customer' AND c.source = coalesce(k.owner, a.source) AND c.record_key = a.customer_key
LEFT JOIN activity_addresses AS m ON m.source = a.source AND m.email = a.email
LEFT JOIN activity_persons AS d ON d.entity = 'device' AND d.source = a.source AND d.record_key = a.anonymous_id
WHERE coalesce(c.person_no, m.person_no, d.person_no) IS NOT NULL AND a.answered_on BETWEEN $since AND $as_of
