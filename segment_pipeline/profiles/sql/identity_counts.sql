-- One row: how many records belong to a person, how many to nobody, how many persons, how many accounts are later than the day.
SELECT
    (SELECT count(*) FROM resolved) AS records,
    (SELECT count(*) FROM records) - (SELECT count(*) FROM resolved) AS unresolved,
    (SELECT count(DISTINCT profile_id) FROM resolved) AS profiles,
    (SELECT count(*) FROM accounts WHERE back_projected) AS back_projected
