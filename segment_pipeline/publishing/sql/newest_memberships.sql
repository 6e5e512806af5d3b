-- One row: the newest day on which every one of these segments that was ever evaluated was evaluated; NULL: there is none.
SELECT max(as_of) AS as_of
FROM (
    SELECT as_of
    FROM segment_sizes
    WHERE list_contains($segments, segment)
    GROUP BY as_of
    HAVING count(*) = (SELECT count(DISTINCT segment) FROM segment_sizes WHERE list_contains($segments, segment))
) AS complete_days
