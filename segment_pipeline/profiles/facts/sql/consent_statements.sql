-- One row per statement about consent, with the time it counts from (`recorded_at`); the rule is in docs/consent.md. Customer
-- keys as source:key, in the key space of the source whose customers they are. `ended_on`: the day a yes ended, with the account
-- that gave it or because its source said neither yes nor no any more; NULL: it counts. A no in a channel nobody knows is a no in each; one in `mail` may mean e-mail, and is a no there too.
WITH heard AS (
    SELECT
        source, identifier_type, identifier, channel, purpose, status, recorded_at,
        -- Of rows from before arrivals were noted: by when their day had ended in every time zone.
        coalesce(arrived_at, CAST(day + 2 AS TIMESTAMPTZ)) AS arrived_at
    FROM consents
),
spread AS (
    SELECT source, identifier_type, identifier, channel, purpose, status, recorded_at, arrived_at
    FROM heard
    WHERE status <> 'unsaid'
    UNION ALL
    SELECT h.source, h.identifier_type, h.identifier, n.channel, h.purpose, h.status, h.recorded_at, h.arrived_at
    FROM heard AS h
    CROSS JOIN (SELECT unnest(['email', 'sms', 'ads', 'mail', 'push']) AS channel) AS n
    WHERE h.status NOT IN ('granted', 'unsaid')
        AND (h.channel NOT IN ('email', 'sms', 'ads', 'mail', 'push') OR (h.channel = 'mail' AND n.channel = 'email'))
),
taken_back AS (
    SELECT g.source, g.identifier_type, g.identifier, g.channel, g.purpose, g.arrived_at, min(u.arrived_at) AS unsaid_at
    FROM heard AS g
    JOIN heard AS u ON u.source = g.source AND u.identifier_type = g.identifier_type AND u.identifier = g.identifier
        AND u.channel = g.channel AND u.purpose = g.purpose AND u.arrived_at > g.arrived_at
    WHERE g.status = 'granted' AND u.status = 'unsaid'
    GROUP BY g.source, g.identifier_type, g.identifier, g.channel, g.purpose, g.arrived_at
)
SELECT
    source, identifier_type, identifier, channel, purpose, status,
    CASE
        WHEN status = 'granted' AND said_at < CAST(ended_on + 1 AS TIMESTAMPTZ) THEN ended_on
        WHEN status = 'granted' THEN CAST(unsaid_at AS DATE)
    END AS ended_on,
    CASE
        WHEN said_at <= arrived_at AND (status = 'granted' OR (said_at >= first_at AND NOT is_placeholder)) THEN said_at
        WHEN status = 'granted' THEN TIMESTAMPTZ '1970-01-01 00:00:00+00'
        ELSE arrived_at
    END AS recorded_at
FROM (
    SELECT
        c.source, c.identifier_type,
        CASE
            WHEN c.identifier_type <> 'customer_key' THEN c.identifier
            WHEN starts_with(c.identifier, c.source || ':') THEN coalesce(k.owner, c.source) || substr(c.identifier, length(c.source) + 1)
            ELSE coalesce(k.owner, c.source) || ':' || c.identifier
        END AS identifier,
        c.channel,
        c.purpose,
        CASE WHEN c.status = 'granted' THEN 'granted' ELSE 'denied' END AS status,
        c.recorded_at AS said_at,
        c.arrived_at,
        coalesce(f.first_at, c.recorded_at) AS first_at,
        e.ended_on,
        t.unsaid_at,
        c.recorded_at < TIMESTAMPTZ '1990-01-01 00:00:00+00'
            OR c.recorded_at BETWEEN TIMESTAMPTZ '1999-12-31 10:00:00+00' AND TIMESTAMPTZ '2000-01-02 12:00:00+00' AS is_placeholder
    FROM spread AS c
    LEFT JOIN key_spaces AS k ON k.source = c.source
    LEFT JOIN first_records AS f ON f.source = c.source
    LEFT JOIN ended_accounts AS e ON e.source = c.source AND e.identifier_type = c.identifier_type
        AND (e.identifier = c.identifier OR (c.identifier_type = 'customer_key' AND c.source || ':' || e.identifier = c.identifier))
    LEFT JOIN taken_back AS t ON t.source = c.source AND t.identifier_type = c.identifier_type AND t.identifier = c.identifier
        AND t.channel = c.channel AND t.purpose = c.purpose AND t.arrived_at = c.arrived_at
) AS told
