-- One row: how many records belong to a person, how many to nobody, how many persons, how many accounts are later than the day.
SELECT
    (SELECT count(*) FROM person_records) AS records,
    (SELECT count(*) FROM records) - (SELECT count(*) FROM person_records) AS unresolved,
    (SELECT count(*) FROM known_people) AS profiles,
    (SELECT count(*) FROM accounts WHERE back_projected) AS back_projected
