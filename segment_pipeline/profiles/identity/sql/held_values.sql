-- One row per person and value an account of theirs holds now: the place of the most trusted one.
SELECT a.person_no, i.value_no, min(a.place) AS place
FROM identifiers AS i
JOIN person_accounts AS a ON a.record_no = i.record_no
WHERE i.held
GROUP BY a.person_no, i.value_no
