-- One row per exchange: what it sold, in its own currency, and whose it is: its customer's, or else the one buyer's of all it gives back,
-- as far as they are known (`exchange_owners`) where that came of an exchange as well.
SELECT
    x.source, x.order_key,
    CAST(max(x.net) + coalesce(sum(x.amount), 0) AS DECIMAL(18,4)) AS sold,
    coalesce(
        max(x.person_no),
        CASE
            WHEN count(DISTINCT coalesce(x.buyer_no, k.person_no)) = 1
                AND count(coalesce(x.buyer_no, k.person_no)) = count(x.parent_order_key)
                THEN min(coalesce(x.buyer_no, k.person_no))
        END
    ) AS person_no
FROM exchange_parents AS x
LEFT JOIN exchange_owners AS k ON k.source = x.source AND k.order_key = x.parent_order_key
GROUP BY x.source, x.order_key
