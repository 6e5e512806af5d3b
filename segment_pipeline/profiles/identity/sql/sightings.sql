-- One row per event, in the words of event_days: where one day is asked for, grouping by day first would only cost.
SELECT source, anonymous_id, customer_key, email, occurred_on, occurred_at AS first_at, occurred_at AS last_at, 1 AS events
FROM events
