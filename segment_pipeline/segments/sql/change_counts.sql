-- One row per segment with changes on the day.
SELECT
  segment,
  count(*) FILTER (WHERE change = 'entered') AS entered,
  count(*) FILTER (WHERE change = 'exited') AS exited,
  count(*) FILTER (WHERE cause = 'data') AS triggering
FROM membership_changes
GROUP BY segment
