-- One row per person who must not be sent to at all in this channel and reason for it (1 erased, 2 suppressed, 3 denied).
SELECT profile_id, reason FROM suppressed_people
UNION ALL
SELECT profile_id, 3 AS reason FROM person_consent WHERE denied
