-- One row: the time zone of the shop.
SELECT max(json_extract_string(record, '$.data.shop.ianaTimezone')) AS timezone FROM raw_shop
