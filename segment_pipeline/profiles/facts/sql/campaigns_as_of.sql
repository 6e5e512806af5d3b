-- One row per campaign: its newest snapshot of as_of or earlier, else the earliest held.
SELECT source, campaign_key, name
FROM (
    SELECT
        source, campaign_key, name,
        row_number() OVER (
            PARTITION BY source, campaign_key
            ORDER BY CASE WHEN day <= $as_of THEN 0 ELSE 1 END, CASE WHEN day <= $as_of THEN day END DESC NULLS LAST, day
        ) AS place
    FROM campaigns
) AS snapshots
WHERE place = 1
