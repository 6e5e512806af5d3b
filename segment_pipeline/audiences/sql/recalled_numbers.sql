-- One row: how what a tool tells differs from what was remembered, and how many plans left no record of the keys they sent.
SELECT
    (
        SELECT count(*) FROM remembered AS r
        LEFT JOIN recognised AS c ON c.key = r.key
        WHERE r.state = 'confirmed' AND c.key IS NULL
    ) AS missing,
    (SELECT count(*) FROM members_recalled WHERE digest = 'told') AS found,
    (
        SELECT count(*) FROM tool_keyed AS t
        LEFT JOIN own AS o ON o.key = t.key
        LEFT JOIN (SELECT DISTINCT told FROM recognised) AS c ON c.told = t.key
        WHERE o.key IS NULL AND c.told IS NULL
    ) AS strangers,
    (
        SELECT count(*) FROM plans_sent AS p
        LEFT JOIN (
            SELECT digest FROM planned_before
            UNION
            SELECT digest FROM sent_keys WHERE key_id = $key_id
        ) AS k ON k.digest = p.digest
        WHERE k.digest IS NULL
    ) AS unrecorded
