-- One row per person seen in events by the end of as_of. A session is counted once per person, also when they log in within it.
SELECT
    profile_id,
    max(last_on) AS last_seen_on,
    max(last_visit_on) AS last_visit_on,
    sum(visits_7d) AS visits_7d,
    sum(visits_30d) AS visits_30d,
    count(CASE WHEN session_key IS NOT NULL AND last_on > $days_30 THEN 1 END) AS sessions_30d
FROM (
    SELECT
        x.profile_id, g.anonymous_id, g.session_key,
        max(g.last_on) AS last_on, max(g.last_visit_on) AS last_visit_on,
        sum(g.visits_7d) AS visits_7d, sum(g.visits_30d) AS visits_30d
    FROM (
        SELECT
            source, anonymous_id, customer_key, email, session_key,
            max(occurred_on) AS last_on,
            max(CASE WHEN visits > 0 THEN occurred_on END) AS last_visit_on,
            sum(CASE WHEN occurred_on > $days_7 THEN visits ELSE 0 END) AS visits_7d,
            sum(CASE WHEN occurred_on > $days_30 THEN visits ELSE 0 END) AS visits_30d
        FROM event_days
        WHERE occurred_on <= $as_of
        GROUP BY source, anonymous_id, customer_key, email, session_key
    ) AS g
    JOIN contact_persons AS x
        ON x.source = g.source
        AND x.anonymous_id IS NOT DISTINCT FROM g.anonymous_id
        AND x.customer_key IS NOT DISTINCT FROM g.customer_key
        AND x.email IS NOT DISTINCT FROM g.email
    GROUP BY x.profile_id, g.anonymous_id, g.session_key
) AS sessions
GROUP BY profile_id
