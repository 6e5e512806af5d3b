-- One row per record of the truth known to the sources by now: whose it is and whose we say it is (NULL: nobody's).
SELECT t.source, t.entity, t.record_key, t.person_id, coalesce(t.kind, 'none') AS kind, i.profile_id
FROM truth_file AS t
LEFT JOIN identities AS i ON i.source = t.source AND i.entity = t.entity AND i.record_key = t.record_key
WHERE t.person_id IS NOT NULL
