-- One row per (source, device, customer, e-mail) that events, messages and answers by the end of as_of name.
SELECT source, anonymous_id, customer_key, email FROM event_contacts WHERE occurred_on <= $as_of
UNION
SELECT source, anonymous_id, customer_key, email FROM messages WHERE occurred_on <= $as_of
UNION
SELECT source, anonymous_id, customer_key, email FROM survey_answers WHERE answered_on <= $as_of
