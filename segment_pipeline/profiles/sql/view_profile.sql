-- One row: the golden record of the person in the view `person`.
SELECT p.* FROM profiles AS p INNER JOIN person USING (profile_id)
