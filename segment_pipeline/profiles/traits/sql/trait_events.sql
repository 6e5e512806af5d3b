-- One row per event of a person by the end of as_of.
SELECT
    e.profile_id, e.source, e.name, e.occurred_at, e.occurred_on, e.local_at,
    e.session_key, e.product_key, e.category, e.collection, e.told_subject AS subject, e.told_text AS text, e.country, e.lat, e.lon,
    e.utm_source, e.utm_medium, e.utm_campaign, e.properties
FROM person_events AS e
WHERE e.occurred_on <= $as_of
