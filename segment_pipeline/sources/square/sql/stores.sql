-- One row per store of the snapshot.
SELECT
  c.*,
  c.key AS store_key,
  c.r.name AS name,
  c.r.coordinates.latitude AS lat,
  c.r.coordinates.longitude AS lon,
  c.r.timezone AS timezone,
  c.r.country AS country,
  c.r.currency AS currency
FROM usable AS c
