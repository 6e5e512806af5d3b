-- One row per person who loaded prepaid balance in the 7 days to as_of.
SELECT p.person_no, sum(o.gift_card_sold) AS loaded
FROM orders_as_of AS o
JOIN buyer_records AS p
    ON p.guest = (o.customer_no IS NULL)
    AND p.key_no = coalesce(o.customer_no, o.order_no)
WHERE o.gift_card_sold > 0 AND o.status = 'completed' AND o.ordered_on > $days_7
GROUP BY p.person_no
