-- One row per value that would have joined two people at as_of, with the people it stands between.
SELECT
    'refused' AS kind,
    concat_ws(':', f.kind, f.because) AS rule,
    a.profile_id, b.profile_id AS other_profile_id,
    CAST(max(f.records) AS BIGINT) AS records,
    f.value AS evidence
FROM refusals AS f
LEFT JOIN resolved AS a ON a.record_no = f.first
LEFT JOIN resolved AS b ON b.record_no = f.second
GROUP BY f.kind, f.because, a.profile_id, b.profile_id, f.value
UNION ALL
SELECT
    'refused', 'anonymous_id:shared_device', a.profile_id, b.profile_id, CAST(max(d.records) AS BIGINT),
    sha256(concat_ws(':', 'anonymous_id', d.anonymous_id))
FROM devices AS d
JOIN device_links AS l ON l.anonymous_id = d.anonymous_id AND l.group_no <> d.group_no
JOIN resolved AS a ON a.record_no = d.group_no
JOIN resolved AS b ON b.record_no = l.group_no
WHERE d.refusal IS NULL
GROUP BY a.profile_id, b.profile_id, d.anonymous_id
