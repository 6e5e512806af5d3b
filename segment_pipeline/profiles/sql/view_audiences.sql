-- One row per audience that holds a key of the person: which fields it was sent, and when.
SELECT a.audience, a.state, a.since, a.refreshed_at, a.identifiers AS identifiers_as_sent, len(a.owners) AS people_sharing_it
FROM audience_members AS a
WHERE list_contains(a.owners, (SELECT profile_id FROM person))
ORDER BY a.audience
