-- One row per change of one kind with the phase it is sent in; a phase starts when the one before has ended. Phase 0 is not sent.
-- `whole`: what the plan holds is all there is to be, so nothing has to be taken out.
-- Added first and removed after, so that nobody is out in between; the other way round where a removal could hit the addition.
SELECT
    *,
    CASE
        WHEN in_place THEN 0
        WHEN operation = 'upsert' THEN 2
        WHEN kind = 'denials' OR remove_first THEN 1
        WHEN cause = 'rekeyed' THEN 4
        ELSE 3
    END AS phase
FROM planned
WHERE kind = $kind AND (operation = 'upsert' OR NOT $whole)
