-- One row per person who ever bought and whose spend is known: `below` of the `buyers` spent less to date.
SELECT person_no, count(*) OVER () AS buyers, rank() OVER (ORDER BY spend_total) - 1 AS below
FROM measured
WHERE bought_total > 0 AND spend_total IS NOT NULL
