-- One row: the newest traits of the person.
SELECT t.* FROM traits AS t INNER JOIN person USING (profile_id)
