-- One row: pairs of records we put together, pairs of those that are one person's, and pairs that are one person's.
SELECT
    (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM judged WHERE profile_id IS NOT NULL GROUP BY profile_id) AS p) AS found,
    (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM judged WHERE profile_id IS NOT NULL GROUP BY profile_id, person_id) AS b) AS right_pairs,
    (SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM judged GROUP BY person_id) AS t) AS true_pairs
