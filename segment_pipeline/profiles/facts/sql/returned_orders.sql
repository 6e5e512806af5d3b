-- One row per completed return or exchange made by the end of as_of, whoever's; `person_no` NULL: nobody's.
SELECT
    source, order_no, return_key AS order_key, updated_at, kind, parent_order_key, returned_at AS ordered_at, ordered_on, net, net_base, person_no
FROM owned_orders
WHERE kind IN ('return', 'exchange') AND is_paid
