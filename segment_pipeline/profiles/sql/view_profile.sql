-- One row: the golden record of the person in the view `person`.
SELECT p.* FROM profiles AS p INNER JOIN person AS o ON o.profile_id = p.profile_id
