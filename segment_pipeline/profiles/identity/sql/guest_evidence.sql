-- One row per e-mail or phone on several guest orders and carts: what else comes with it, and whether it agrees. Of names, other
-- e-mails and phones, and devices: how many records tell one (`…_told`), how many different ones there are, and on how many
-- records the most frequent is (`…_most`). `tells`: some source of these records tells names with guests' orders.
SELECT
    g.value_no, g.tells,
    CAST(coalesce(sum(CASE WHEN k.kind = 'name' THEN k.told END), 0) AS BIGINT) AS names_told,
    CAST(coalesce(sum(CASE WHEN k.kind = 'name' THEN k.different END), 0) AS BIGINT) AS names,
    CAST(coalesce(sum(CASE WHEN k.kind = 'name' THEN k.most END), 0) AS BIGINT) AS names_most,
    CAST(coalesce(sum(CASE WHEN k.kind = 'value' THEN k.told END), 0) AS BIGINT) AS values_told,
    CAST(coalesce(sum(CASE WHEN k.kind = 'value' THEN k.different END), 0) AS BIGINT) AS other_values,
    CAST(coalesce(sum(CASE WHEN k.kind = 'value' THEN k.most END), 0) AS BIGINT) AS values_most,
    CAST(coalesce(sum(CASE WHEN k.kind = 'device' THEN k.most END), 0) AS BIGINT) AS devices_most
FROM (
    SELECT g.value_no, bool_or(t.source IS NOT NULL) AS tells
    FROM guest_records AS g
    LEFT JOIN (
        SELECT DISTINCT r.source
        FROM record_names AS n
        JOIN records AS r ON r.record_no = n.record_no
        WHERE r.class = 'guest' AND coalesce(n.first_name, n.last_name) IS NOT NULL
    ) AS t ON t.source = g.source
    GROUP BY g.value_no
) AS g
LEFT JOIN (
    SELECT value_no, kind, sum(records) AS told, count(*) AS different, max(records) AS most
    FROM (
        SELECT g.value_no, 'name' AS kind, concat_ws(' ', n.first_name, n.last_name) AS thing, count(*) AS records
        FROM guest_records AS g
        JOIN record_names AS n ON n.record_no = g.record_no
        WHERE coalesce(n.first_name, n.last_name) IS NOT NULL
        GROUP BY g.value_no, concat_ws(' ', n.first_name, n.last_name)
        UNION ALL
        SELECT g.value_no, 'value', CAST(o.value_no AS VARCHAR), count(*)
        FROM guest_records AS g
        JOIN identifiers AS o ON o.record_no = g.record_no AND o.value_no <> g.value_no
        GROUP BY g.value_no, CAST(o.value_no AS VARCHAR)
        UNION ALL
        SELECT g.value_no, 'device', t.anonymous_id, count(*)
        FROM guest_records AS g
        JOIN numbered_touches AS t ON t.record_no = g.record_no
        WHERE t.anonymous_id IS NOT NULL
        GROUP BY g.value_no, t.anonymous_id
    ) AS told
    GROUP BY value_no, kind
) AS k ON k.value_no = g.value_no
GROUP BY g.value_no, g.tells
