-- One row per identifier a plan sends, as it is sent, with the profiles it is sent for; the identifier itself as a keyed hash.
SELECT
    CAST($destination AS VARCHAR) AS destination,
    sha256($outer_key || sha256($inner_key || carries)) AS hash,
    CAST($key_id AS VARCHAR) AS key_id,
    list_sort(array_agg(owner)) AS owners,
    CAST($digest AS VARCHAR) AS digest,
    CAST($now AS TIMESTAMPTZ) AS sent_at
FROM (
    SELECT DISTINCT carries, owner
    FROM (SELECT carries, unnest(owners) AS owner FROM to_send_long) AS owned
) AS sent
GROUP BY carries
