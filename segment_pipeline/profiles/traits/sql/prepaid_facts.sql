-- One row per person who loaded prepaid balance in the 7 days to as_of.
SELECT person_no, sum(gift_card_sold) AS loaded
FROM owned_orders
WHERE person_no IS NOT NULL AND is_paid AND gift_card_sold > 0 AND ordered_on > $days_7
GROUP BY person_no
