-- One row: the country the seller's stores are in, where a number without a prefix was dialled; NULL: several, or none said.
SELECT CASE WHEN min(country) = max(country) THEN min(country) END AS country
FROM (SELECT nullif(trim(json_extract_string(record, '$.country')), '') AS country FROM raw_locations) AS stores
