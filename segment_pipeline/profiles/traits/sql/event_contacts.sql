-- One row per (source, device, customer, e-mail) of events, with the last day it was seen on.
SELECT source, anonymous_id, customer_key, email, last_on AS occurred_on FROM contact_visits
