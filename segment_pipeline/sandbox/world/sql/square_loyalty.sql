create view square_loyalty_versions as
    with moments as (
        select person_id, enrolled_at as moment from square_loyalty
        union
        select person_id, q from square_loyalty,
            unnest([timestamp '2017-04-01 05:00:00', timestamp '2017-07-01 05:00:00', timestamp '2017-10-01 05:00:00',
                    getvariable('t1') - interval 1 day]) as t(q)
        where q > enrolled_at and q < getvariable('t1')),
    earned as (
        select m.person_id, m.moment, coalesce(sum(o.total) // 100, 0)::bigint as points
        from moments m left join square_orders o on o.person_id = m.person_id and o.ts < m.moment and o.state = 'COMPLETED'
        group by all),
    versions as (select *, lead(moment) over (partition by person_id order by moment) as until from earned)
    select 'square' as vendor, 'loyalty' as entity, account_id as key, '' as route,
           iso(enrolled_at) as created_at, iso(moment) as updated_at, iso(moment) as visible_from, iso(until) as visible_until,
           to_json({id: account_id, program_id: 'PROG-SANDBOX', balance: points - (points // 500) * 400, lifetime_points: points,
                    customer_id: customer_id, enrolled_at: square_time(enrolled_at), created_at: square_time(enrolled_at),
                    updated_at: square_time(moment),
                    mapping: {id: 'M' || opaque('mapping', person_id, 24), created_at: square_time(enrolled_at), phone_number: till_phone}
           })::varchar as body
    from versions join square_loyalty using (person_id) join square_profiles using (person_id)
    where role = 'main'
    order by moment, key;
