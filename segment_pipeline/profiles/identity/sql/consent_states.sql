-- One row per (identifier type, identifier, channel) of marketing consent as of the end of the day: the newest statement
-- counts, a denial wins a tie. Statements about a customer are keyed source:key like identifiers.
SELECT
    identifier_type, identifier, channel,
    coalesce(max(recorded_at) FILTER (WHERE status = 'denied') < max(recorded_at), TRUE) AS granted,
    max(recorded_at) AS recorded_at
FROM consent_statements
WHERE recorded_at < $end AND purpose = 'marketing' AND (ended_on IS NULL OR ended_on > $as_of)
GROUP BY identifier_type, identifier, channel
