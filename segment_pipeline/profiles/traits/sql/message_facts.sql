-- One row per person who clicked in the 90 days to as_of or ever responded to a campaign.
SELECT
    x.person_no,
    count(CASE WHEN m.type = 'clicked' AND m.channel = 'email' AND m.occurred_on > $days_90 THEN 1 END) AS email_clicks_90d,
    list_sort(array_agg(DISTINCT coalesce(g.name, m.campaign_key)) FILTER (
        WHERE m.type = 'responded' AND coalesce(g.name, m.campaign_key) IS NOT NULL
    )) AS responded_campaigns
FROM messages AS m
JOIN contact_persons AS x
    ON x.source = m.source
    AND x.anonymous_id IS NOT DISTINCT FROM m.anonymous_id
    AND x.customer_key IS NOT DISTINCT FROM m.customer_key
    AND x.email IS NOT DISTINCT FROM m.email
LEFT JOIN campaigns_as_of AS g ON g.source = m.source AND g.campaign_key = m.campaign_key
WHERE m.occurred_on <= $as_of AND m.type IN ('clicked', 'responded')
GROUP BY x.person_no
