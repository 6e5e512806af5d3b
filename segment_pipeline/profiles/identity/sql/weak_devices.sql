-- One row per device or browser id: `oldest_no`, the oldest record known by it alone, is its number.
SELECT anonymous_id, min(record_no) AS oldest_no, count(*) AS records
FROM weak_records
GROUP BY anonymous_id
