-- One row per value that is listed as, or pattern of values that are, nobody's to be linked by: by the rules, and as people decided.
SELECT identifier_type, reason, identifier, pattern, is_sent = 'with consent' AS mailable
FROM ruled
UNION ALL
SELECT identifier_type, 'decided' AS reason, identifier, CAST(NULL AS VARCHAR) AS pattern, FALSE AS mailable
FROM identifier_proposals
WHERE state = 'blocked'
