-- One row per owner of a leaving key who stays in the audience: that key, and the one they are desired under.
SELECT l.key, o.key AS desired_key
FROM owned AS o
JOIN leaving_owners AS l ON l.profile_id = o.profile_id
