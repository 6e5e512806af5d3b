-- One row per person who declared a department or interests by the end of as_of: the newest department, every interest.
SELECT
    person_no,
    max(CASE WHEN department_place = 1 AND asks = 'department' THEN answer END) AS preferred_department,
    list_sort(array_agg(DISTINCT answer) FILTER (WHERE asks = 'interest')) AS interests
FROM (
    SELECT
        person_no, asks, answer,
        row_number() OVER (PARTITION BY person_no, asks ORDER BY answered_at DESC, answer) AS department_place
    FROM (
        SELECT
            x.person_no, a.answer, a.answered_at,
            CASE WHEN list_contains($department_questions, a.question_key) THEN 'department' ELSE 'interest' END AS asks
        FROM survey_answers AS a
        JOIN contact_persons AS x
            ON x.source = a.source
            AND x.anonymous_id IS NOT DISTINCT FROM a.anonymous_id
            AND x.customer_key IS NOT DISTINCT FROM a.customer_key
            AND x.email IS NOT DISTINCT FROM a.email
        WHERE a.answered_on <= $as_of AND a.answer IS NOT NULL
            AND (list_contains($department_questions, a.question_key) OR list_contains($interest_questions, a.question_key))
    ) AS declared
) AS placed
GROUP BY person_no
