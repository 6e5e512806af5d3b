-- One row: the newest day an asset was loaded for by now, and when that load was finished; NULL: never.
SELECT max(day) AS day, max_by(finished_at, (day, finished_at)) AS finished_at
FROM loads
WHERE asset = $asset AND finished_at <= $now
