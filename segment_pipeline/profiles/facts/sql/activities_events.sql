-- One row per event of a person that no other fact tells of.
SELECT
    e.profile_id, e.person_no, e.name, 'events' AS told_by, e.occurred_at, e.occurred_on, e.local_at, e.source, e.product_key,
    CASE WHEN e.product_key IS NOT NULL THEN coalesce(p.item_key, concat_ws(':', e.source, e.product_key)) END AS item_key, p.brand,
    p.department, coalesce(p.category, e.category) AS category, coalesce(p.collection, e.collection) AS collection, p.launched_on,
    e.utm_campaign AS campaign, e.told_subject AS subject, e.told_text AS text, e.properties
FROM person_events AS e
LEFT JOIN event_products AS p ON p.product_no = e.product_no
WHERE e.occurred_on BETWEEN $since AND $as_of
    AND e.name NOT IN (
        'survey_answered', 'message_sent', 'message_delivered', 'message_opened', 'message_clicked', 'message_responded',
        'order', 'product_bought', 'product_returned', 'order_refunded', 'cart_abandoned',
        'consent_given', 'consent_withdrawn'
    )
