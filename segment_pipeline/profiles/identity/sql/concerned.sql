-- One row per person who lost or won a record since the snapshot before.
SELECT was AS profile_id FROM moved
UNION
SELECT now_is AS profile_id FROM moved
