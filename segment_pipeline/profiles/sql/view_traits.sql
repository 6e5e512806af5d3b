-- One row: the newest traits of the person.
SELECT t.* FROM traits AS t INNER JOIN person AS o ON o.profile_id = t.profile_id
