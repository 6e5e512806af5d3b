-- One row per person seen in events by the end of as_of. A session is counted once per person, also when they log in within it.
SELECT
    person_no,
    max(last_on) AS last_seen_on,
    max(last_visit_on) AS last_visit_on,
    sum(visits_7d) AS visits_7d,
    sum(visits_30d) AS visits_30d,
    sum(sessions) AS sessions_30d
FROM (
    SELECT x.person_no, g.last_on, g.last_visit_on, g.visits_7d, g.visits_30d, 0 AS sessions
    FROM contact_visits AS g
    JOIN contact_persons AS x
        ON x.source = g.source
        AND x.anonymous_id IS NOT DISTINCT FROM g.anonymous_id
        AND x.customer_key IS NOT DISTINCT FROM g.customer_key
        AND x.email IS NOT DISTINCT FROM g.email
    UNION ALL
    SELECT person_no, CAST(NULL AS DATE), CAST(NULL AS DATE), 0, 0, 1
    FROM (
        SELECT DISTINCT x.person_no, s.anonymous_id, s.session_key
        FROM visit_days AS s
        JOIN contact_persons AS x
            ON x.source = s.source
            AND x.anonymous_id IS NOT DISTINCT FROM s.anonymous_id
            AND x.customer_key IS NOT DISTINCT FROM s.customer_key
            AND x.email IS NOT DISTINCT FROM s.email
        WHERE s.occurred_on > $days_30 AND s.occurred_on <= $as_of AND s.session_key IS NOT NULL
    ) AS sessions_of_persons
) AS seen
GROUP BY person_no
