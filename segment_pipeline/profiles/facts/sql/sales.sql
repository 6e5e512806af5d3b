-- One row per completed sale of a person: goods sold, not returns, exchanges, or loads of prepaid balance alone.
SELECT * FROM order_persons
WHERE kind = 'sale' AND status = 'completed' AND NOT (gift_card_sold > 0 AND gross = 0)
