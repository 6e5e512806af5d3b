-- One row per account that belongs to a person.
SELECT a.record_no, p.person_no
FROM accounts AS a
JOIN activity_persons AS p ON p.key_no = a.key_no
