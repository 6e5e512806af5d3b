-- One row per exchange: what it sold, in its own currency, and whose it is: its customer's, or else the one buyer's of all it gives back,
-- as far as they are known (`exchange_owners`) where that came of an exchange as well.
SELECT
    x.order_no,
    CAST(max(x.net) + coalesce(sum(x.amount), 0) AS DECIMAL(18,4)) AS sold,
    coalesce(
        max(x.person_no),
        CASE
            WHEN count(DISTINCT coalesce(x.buyer_no, k.person_no)) = 1
                AND count(coalesce(x.buyer_no, k.person_no)) = count(x.parent_no)
                THEN min(coalesce(x.buyer_no, k.person_no))
        END
    ) AS person_no
FROM exchange_parents AS x
LEFT JOIN exchange_owners AS k ON k.order_no = x.parent_no
GROUP BY x.order_no
