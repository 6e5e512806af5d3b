-- One row per version of a refund held, of whatever day.
SELECT
    source, refund_key, updated_at, order_no, line_number, refunded_at, refunded_on, amount, goods, quantity, told_with_order, day
FROM refunds
