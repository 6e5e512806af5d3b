-- One row per event, as it is in the lake; `told_subject` and `told_text` are what it says of them. Events landed before `subject` and
-- `text` were columns hold them among their properties.
SELECT
    e.*,
    coalesce(e.subject, CASE e.name
        WHEN 'social_engaged' THEN json_extract_string(e.properties, '$.network')
        WHEN 'content_viewed' THEN json_extract_string(e.properties, '$.topic')
    END) AS told_subject,
    coalesce(e.text, CASE e.name
        WHEN 'search' THEN json_extract_string(e.properties, '$.query')
        WHEN 'social_engaged' THEN json_extract_string(e.properties, '$.action')
        WHEN 'visit' THEN json_extract_string(e.properties, '$.landing_page')
    END) AS told_text
FROM events AS e
