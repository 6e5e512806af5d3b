-- One row per person known by as_of. 0 is known: the source landed and says nothing; NULL is unknown.
SELECT
    CAST($as_of AS DATE) AS as_of,
    p.profile_id,
    q.* EXCLUDE (person_no, bought_total, bought_365d),
    CASE WHEN $orders_landed THEN CAST(b.below AS DOUBLE) / CAST(b.buyers AS DOUBLE) END AS spend_percentile,
    CASE WHEN $orders_landed THEN CAST(b.below AS BIGINT) END AS buyers_below_365d,
    CASE WHEN $orders_landed THEN CAST(b.buyers AS BIGINT) END AS buyers_365d,
    CASE
        WHEN NOT $orders_landed THEN NULL
        WHEN b.below >= $top_from * b.buyers THEN 'top'
        WHEN b.below >= $mid_from * b.buyers THEN 'mid'
        WHEN b.below IS NOT NULL THEN 'low'
        WHEN q.bought_365d > 0 THEN NULL
        ELSE 'none'
    END AS value_tier,
    CASE
        WHEN NOT $orders_landed THEN NULL
        WHEN t.below >= $top_from * t.buyers THEN 'top'
        WHEN t.below >= $mid_from * t.buyers THEN 'mid'
        WHEN t.below IS NOT NULL THEN 'low'
        WHEN q.bought_total > 0 THEN NULL
        ELSE 'none'
    END AS value_tier_lifetime,
    CASE WHEN $orders_landed THEN b.rfm_r END AS rfm_r,
    CASE WHEN $orders_landed THEN b.rfm_f END AS rfm_f,
    CASE WHEN $orders_landed THEN b.rfm_m END AS rfm_m,
    CASE
        WHEN NOT $orders_landed THEN NULL
        WHEN q.orders_total = 0 THEN 'prospect'
        WHEN date_diff('day', q.first_order_on, $as_of) <= $new_days THEN 'new'
        WHEN date_diff('day', q.last_order_on, $as_of) <= $active_days THEN 'active'
        WHEN date_diff('day', q.last_order_on, $as_of) <= $at_risk_days THEN 'at_risk'
        ELSE 'churned'
    END AS lifecycle_stage,
    CASE
        WHEN NOT $orders_landed OR q.orders_total = 0 THEN NULL
        WHEN q.orders_365d >= $loyal_orders AND date_diff('day', q.last_order_on, $as_of) <= $active_days
            THEN CASE WHEN b.below >= $top_from * b.buyers THEN 'vip' ELSE 'loyal' END
        ELSE 'regular'
    END AS loyalty_stage,
    CASE
        WHEN NOT $events_landed THEN NULL
        WHEN e.visits_30d >= $power_visits THEN 'power'
        WHEN e.visits_30d >= 1 THEN 'active'
        WHEN date_diff('day', e.last_visit_on, $as_of) <= $dormant_days THEN 'inactive'
        ELSE 'dormant'
    END AS activity_stage,
    CASE WHEN $orders_landed THEN d.top_department END AS top_department,
    CASE WHEN $orders_landed THEN CAST(coalesce(d.departments_365d, 0) AS BIGINT) END AS departments_365d,
    -- Of whole ten thousandths: what is equal comes out equal.
    CASE WHEN $orders_landed AND l.sold_365d > 0
        THEN CAST(CAST(CAST(l.markdown_365d AS DECIMAL(19,4)) * 10000 AS BIGINT) AS DOUBLE) / CAST(CAST(CAST(l.sold_365d AS DECIMAL(19,4)) * 10000 AS BIGINT) AS DOUBLE)
    END AS markdown_share,
    CASE WHEN $orders_landed THEN CAST(coalesce(l.markdown_365d, 0) AS DECIMAL(18,4)) END AS markdown_goods_365d,
    CASE WHEN $orders_landed THEN CAST(coalesce(l.sold_365d, 0) AS DECIMAL(18,4)) END AS goods_365d,
    CASE WHEN $orders_landed AND l.dated_lines_365d > 0
        THEN CAST(l.new_lines_365d AS DOUBLE) / CAST(l.dated_lines_365d AS DOUBLE) END AS new_arrival_share,
    CASE WHEN $orders_landed THEN CAST(coalesce(l.new_lines_365d, 0) AS BIGINT) END AS new_arrival_lines_365d,
    CASE WHEN $orders_landed THEN CAST(coalesce(l.dated_lines_365d, 0) AS BIGINT) END AS dated_lines_365d,
    CASE WHEN $orders_landed THEN CAST(coalesce(w.loaded, 0) AS DECIMAL(18,4)) END AS prepaid_loaded_7d,
    CASE WHEN $events_landed THEN e.last_seen_on END AS last_seen_on,
    CASE WHEN $events_landed THEN CAST(coalesce(e.visits_7d, 0) AS BIGINT) END AS visits_7d,
    CASE WHEN $events_landed THEN CAST(coalesce(e.visits_30d, 0) AS BIGINT) END AS visits_30d,
    CASE WHEN $events_landed THEN CAST(coalesce(e.sessions_30d, 0) AS BIGINT) END AS sessions_30d,
    CASE WHEN $messages_landed THEN CAST(coalesce(m.email_clicks_90d, 0) AS BIGINT) END AS email_clicks_90d,
    CASE WHEN $messages_landed THEN coalesce(m.responded_campaigns, CAST([] AS VARCHAR[])) END AS responded_campaigns,
    CAST(g.age AS INTEGER) AS age,
    coalesce(
        g.age_band,
        CASE
            WHEN g.age IS NULL THEN NULL
            WHEN g.age < 19 THEN 'under 19'
            WHEN g.age < 25 THEN '19-24'
            WHEN g.age < 35 THEN '25-34'
            WHEN g.age < 45 THEN '35-44'
            WHEN g.age < 55 THEN '45-54'
            WHEN g.age < 65 THEN '55-64'
            ELSE '65+'
        END
    ) AS age_band,
    g.gender, g.income_band, g.household_type, g.children, g.occupation, g.birth_day, g.city, g.region, g.postcode, g.country,
    g.language,
    s.lat, s.lon,
    CAST(g.loyalty_balance AS BIGINT) AS loyalty_balance,
    v.preferred_department,
    v.interests,
    coalesce(r.email_reachable, FALSE) AS email_reachable,
    coalesce(r.sms_reachable, FALSE) AS sms_reachable,
    coalesce(r.ads_reachable, FALSE) AS ads_reachable,
    coalesce(i.has_email, FALSE) AS has_email,
    coalesce(i.has_phone, FALSE) AS has_phone,
    coalesce(i.has_loyalty_card, FALSE) AS has_loyalty_card,
    k.sources,
    CAST($definition AS VARCHAR) AS definition_hash
FROM people AS p
JOIN person_sources AS k ON k.person_no = p.person_no
JOIN measured AS q ON q.person_no = p.person_no
LEFT JOIN buyers AS b ON b.person_no = p.person_no
LEFT JOIN lifetime_buyers AS t ON t.person_no = p.person_no
LEFT JOIN person_lines AS l ON l.person_no = p.person_no
LEFT JOIN department_facts AS d ON d.person_no = p.person_no
LEFT JOIN prepaid_facts AS w ON w.person_no = p.person_no
LEFT JOIN store_facts AS s ON s.person_no = p.person_no
LEFT JOIN event_facts AS e ON e.person_no = p.person_no
LEFT JOIN message_facts AS m ON m.person_no = p.person_no
LEFT JOIN survey_facts AS v ON v.person_no = p.person_no
LEFT JOIN reach_facts AS r ON r.profile_id = p.profile_id
LEFT JOIN known_by AS i ON i.profile_id = p.profile_id
LEFT JOIN declared_facts AS g ON g.person_no = p.person_no
