-- One row per (source, device, customer, e-mail) that somebody is asked for by: of events, of answers, and of messages that were
-- clicked or responded to, by the end of as_of.
SELECT source, anonymous_id, customer_key, email FROM event_contacts WHERE occurred_on <= $as_of
UNION
SELECT source, anonymous_id, customer_key, email
FROM messages
WHERE occurred_on <= $as_of AND type IN ('clicked', 'responded')
UNION
SELECT source, anonymous_id, customer_key, email FROM survey_answers WHERE answered_on <= $as_of
