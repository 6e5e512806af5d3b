-- One row per person who loaded prepaid balance in the 7 days to as_of.
SELECT profile_id, sum(gift_card_sold) AS loaded
FROM order_persons
WHERE gift_card_sold > 0 AND status = 'completed' AND ordered_on > $days_7
GROUP BY profile_id
