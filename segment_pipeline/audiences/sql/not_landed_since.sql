-- One row per asset of a source whose newest landed day is not after the given one: what holds the next day back.
SELECT asset, max(day) AS newest
FROM loads
GROUP BY asset
HAVING max(day) <= $day
ORDER BY asset
