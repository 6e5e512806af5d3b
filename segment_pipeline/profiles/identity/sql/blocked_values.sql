-- One row per value that links nobody at as_of: refused by a pattern, by name, or because too many people share it;
-- of customer keys, how often they were named.
SELECT
    'blocked' AS kind,
    concat_ws(':', v.identifier_type, v.refusal) AS rule,
    CAST(NULL AS VARCHAR) AS profile_id,
    CAST(NULL AS VARCHAR) AS other_profile_id,
    CAST(v.records AS BIGINT) AS records,
    sha256(concat_ws(':', n.identifier_type, n.identifier)) AS evidence
FROM identifier_values AS v
JOIN numbered_values AS n ON n.value_no = v.value_no
WHERE v.refusal IS NOT NULL
UNION ALL
SELECT
    'blocked', concat_ws(':', 'anonymous_id', refusal), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(records AS BIGINT),
    sha256(concat_ws(':', 'anonymous_id', anonymous_id))
FROM devices
WHERE refusal IS NOT NULL
UNION ALL
SELECT
    'blocked', concat_ws(':', 'customer_key', reason), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), times,
    sha256(concat_ws(':', 'customer_key', source, customer_key))
FROM nameless_keys
