-- One row per account known by the end of as_of, with its record's number.
SELECT r.record_no, a.*
FROM account_versions AS a
JOIN records AS r ON r.class = 'account' AND r.key_no = a.key_no
