-- One row: the newest load of an asset that was finished by now (one of the future was written by a clock that was wrong): its days, and the rows it put into one of its tables. A run may hold several
-- loads (the tail of consent is pulled more than once), whose rows were each finished at one instant.
-- `rows_said` is the source's own count of records in the window, written alike on each row: NULL when it does not say.
SELECT
    min(day) AS first_day,
    max(day) AS last_day,
    CAST(sum(rows_landed) AS BIGINT) AS rows_landed,
    CAST(max(rows_said) AS BIGINT) AS rows_said,
    CAST(sum(rows_quarantined) AS BIGINT) AS rows_quarantined
FROM loads
WHERE asset = $asset
  AND table_name = $table
  AND finished_at = (SELECT max(finished_at) FROM loads WHERE asset = $asset AND finished_at <= $now)
  AND run_id = (SELECT max_by(run_id, finished_at) FROM loads WHERE asset = $asset AND finished_at <= $now)
