-- One row per held key that is not desired, with what is known of it. `stuck`: the tool refused lately to let it go.
SELECT c.key, c.change = 'stuck' AS stuck, h.identifiers, h.owners, h.vendor_id, h.payload_hash
FROM compared AS c
JOIN audience_members AS h ON h.key = c.key
WHERE c.change IN ('leaving', 'stuck')
