-- One row per event of a person by the end of as_of: the customer named first, then the address, then the device.
SELECT
    coalesce(c.profile_id, m.profile_id, d.profile_id) AS profile_id, e.source, e.name, e.occurred_at, e.occurred_on, e.local_at,
    e.session_key, e.product_key, e.category, e.collection, e.told_subject AS subject, e.told_text AS text, e.country, e.lat, e.lon,
    e.utm_source, e.utm_medium, e.utm_campaign, e.properties
FROM told_events AS e
LEFT JOIN key_spaces AS k ON k.source = e.source
LEFT JOIN activity_persons AS c
    ON c.entity = 'customer' AND c.source = coalesce(k.owner, e.source) AND c.record_key = e.customer_key
LEFT JOIN activity_addresses AS m ON m.source = e.source AND m.email = e.email
LEFT JOIN activity_persons AS d ON d.entity = 'device' AND d.source = e.source AND d.record_key = e.anonymous_id
WHERE coalesce(c.profile_id, m.profile_id, d.profile_id) IS NOT NULL AND e.occurred_on <= $as_of
