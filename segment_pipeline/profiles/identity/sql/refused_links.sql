-- One row per value that would have joined two people at as_of, with the people it stands between.
SELECT
    'refused' AS kind,
    concat_ws(':', f.kind, f.because) AS rule,
    a.profile_id, b.profile_id AS other_profile_id,
    CAST(max(f.records) AS BIGINT) AS records,
    f.value AS evidence
FROM refusals AS f
LEFT JOIN person_records AS ar ON ar.record_no = f.first
LEFT JOIN known_people AS a ON a.person_no = ar.person_no
LEFT JOIN person_records AS br ON br.record_no = f.second
LEFT JOIN known_people AS b ON b.person_no = br.person_no
GROUP BY f.kind, f.because, a.profile_id, b.profile_id, f.value
UNION ALL
SELECT
    'refused', 'anonymous_id:shared_device', a.profile_id, b.profile_id, CAST(max(d.records) AS BIGINT),
    sha256(concat_ws(':', 'anonymous_id', d.anonymous_id))
FROM devices AS d
JOIN device_links AS l ON l.oldest_no = d.oldest_no AND l.group_no <> d.group_no
JOIN person_records AS ar ON ar.record_no = d.group_no
JOIN known_people AS a ON a.person_no = ar.person_no
JOIN person_records AS br ON br.record_no = l.group_no
JOIN known_people AS b ON b.person_no = br.person_no
WHERE d.refusal IS NULL
GROUP BY a.profile_id, b.profile_id, d.anonymous_id
