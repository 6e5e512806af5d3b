-- One row per Square customer profile: the main one, a duplicate that is merged away later, an instant profile.
create table till_people as
    select p.*, h.first_ts as real_first_ts, s.location_id as home_location,
           case when p.grp = 'household' and u('till.since', p.person_id) < 0.7
                then timestamp '2015-01-01' + seconds(u('till.joined', p.person_id) * 700 * 86400)
                else least(coalesce(h.first_ts, getvariable('t0')), getvariable('t0') + interval 1 day) - interval 1 hour
           end as joined_at
    from people p
    left join households h using (household_id)
    left join stores s on s.store_id = h.home_store
    where p.at_till;

create table square_profiles as
    select person_id, 'main' as role, 'C' || opaque('customer', person_id, 25) as customer_id, joined_at as created_at from till_people
    union all
    select person_id, 'duplicate', 'C' || opaque('duplicate', person_id, 25),
           greatest(joined_at, getvariable('t0')) + seconds(u('duplicate.moment', person_id) * getvariable('days') * 30000)
    from till_people where grp = 'household' and u('duplicate', person_id) < getvariable('p_duplicate_customer')
    union all
    select person_id, 'instant', 'C' || opaque('instant', person_id, 25), greatest(joined_at, getvariable('t0'))
    from till_people where grp = 'household' and u('instant', person_id) < getvariable('p_instant_profile');

-- One row per thing that happens to a profile.
create table square_profile_moments as
    with changing as (
        select *, getvariable('t0') + seconds(u('change.moment', person_id) * getvariable('days') * 86400) as moment, u('change', person_id) as draw
        from till_people where grp = 'household')
    select customer_id, created_at as moment, 'created' as what from square_profiles
    union all
    select customer_id, c.moment, case when draw < getvariable('p_customer_changes') * 0.75 then 'address'
                                   when draw < getvariable('p_customer_changes') * 0.9 then 'unsubscribed' else 'email' end
    from changing c join square_profiles using (person_id)
    where role = 'main' and draw < getvariable('p_customer_changes') and c.moment > created_at
    union all
    -- After the last day: what a second run of the pipeline meets.
    select customer_id, getvariable('t1') + seconds(14400 + u('later.moment', person_id) * 5 * 86400), if(draw > 0.995, 'email', 'address')
    from changing join square_profiles using (person_id) where role = 'main' and draw > 0.985
    union all
    select m.customer_id, d.created_at + interval 40 day, 'merged'
    from square_profiles d join square_profiles m using (person_id) where d.role = 'duplicate' and m.role = 'main'
    union all
    select customer_id, created_at + interval 40 day, 'gone' from square_profiles where role = 'duplicate'
    union all
    select customer_id, getvariable('t0') + seconds((0.5 + u('gone.moment', person_id) / 2) * getvariable('days') * 86400), 'gone'
    from till_people join square_profiles using (person_id)
    where role = 'main' and grp = 'household' and u('gone', person_id) < getvariable('p_customer_deleted');

create table square_groups as
    select household_id, 'G' || opaque('group', name, 20) as group_id, name
    from (
        select household_id, unnest([
            'Age: ' || age, 'Income: ' || income, 'Home: ' || home_ownership, 'Marital status: ' || marital_status,
            'Household size: ' || household_size, 'Household: ' || household_comp, 'Kids: ' || kids_count]) as name
        from demographics)
    where name is not null and not name like '%: NaN';

create view square_groups_versions as
    select 'square' as vendor, 'groups' as entity, group_id as key, '' as route,
           '2016-01-01T00:00:00.000000Z' as created_at, '2016-01-01T00:00:00.000000Z' as updated_at,
           '2016-01-01T00:00:00.000000Z' as visible_from, null::varchar as visible_until,
           to_json({id: group_id, name: name, created_at: '2016-01-01T00:00:00.000Z', updated_at: '2016-01-01T00:00:00.000Z'})::varchar as body
    from (select distinct group_id, name from square_groups) order by key;

create table square_profile_states as
    select customer_id, moment,
           row_number() over w as version,
           bool_or(what = 'address') over w as moved, bool_or(what = 'email') over w as new_mail,
           bool_or(what = 'unsubscribed') over w as unsubscribed, bool_or(what = 'merged') over w as merged,
           bool_or(what = 'gone') over w as gone,
           lead(moment) over w as until
    from square_profile_moments
    window w as (partition by customer_id order by moment, what rows unbounded preceding);

create view square_customers_versions as
    with groups as (select household_id, list(group_id order by group_id) as ids from square_groups group by household_id)
    select 'square' as vendor, 'customers' as entity, customer_id as key, '' as route,
           iso(s.created_at) as created_at, iso(v.moment) as updated_at, iso(v.moment) as visible_from, iso(v.until) as visible_until,
           case when gone then null else without_nulls(to_json({
               id: customer_id, created_at: square_time(s.created_at), updated_at: square_time(v.moment),
               given_name: if(known, p.first_name, null), family_name: if(known, p.last_name, null),
               email_address: case when not known or p.till_email is null then null
                                   when new_mail or role = 'duplicate' then p.new_email
                                   when u('email.case', p.person_id) < 0.05 then upper(p.till_email[1]) || p.till_email[2:]
                                   else p.till_email end,
               phone_number: case when not known then null else case upto('phone.form', p.person_id, 4)
                   when 0 then '(' || p.till_phone[3:5] || ') ' || p.till_phone[6:8] || '-' || p.till_phone[9:]
                   when 1 then p.till_phone[3:5] || '-' || p.till_phone[6:8] || '-' || p.till_phone[9:]
                   when 2 then p.till_phone[3:] else p.till_phone end end,
               address: if(known and u('address', p.person_id) < 0.85, {
                   address_line_1: if(moved, p.new_street, p.street), locality: c.name,
                   administrative_district_level_1: c.region, postal_code: p.postcode, country: c.country}, null),
               birthday: if(known and u('birthday', p.person_id) < getvariable('p_birthday_known'),
                   case when u('birthday.year', p.person_id) < getvariable('p_birthday_without_year')
                        then '0000' || strftime(p.birth_date, '-%m-%d') else strftime(p.birth_date, '%Y-%m-%d') end, null),
               reference_id: if(role = 'main' and p.household_id is not null, 'HH' || p.household_id, null),
               group_ids: if(role = 'main', coalesce(g.ids, []), []),
               segment_ids: []::varchar[],
               preferences: {email_unsubscribed: unsubscribed and known},
               creation_source: case when role = 'instant' then 'INSTANT_PROFILE' when merged then 'MERGE'
                   when u('source', customer_id) < 0.6 then 'LOYALTY' when u('source', customer_id) < 0.9 then 'DIRECTORY'
                   else 'THIRD_PARTY' end,
               version: version}))::varchar end as body
    from square_profile_states v
    join (select *, role <> 'instant' as known from square_profiles) s using (customer_id)
    join till_people p using (person_id)
    join city_table c using (city_no)
    left join groups g on g.household_id = p.household_id
    order by v.moment, key, version;

-- Which customer answers to the id of a duplicate once it is merged away.
create view square_merged_versions as
    select 'square' as vendor, 'merged' as entity, d.customer_id as key, '' as route, iso(v.moment) as created_at,
           iso(v.moment) as updated_at, iso(v.moment) as visible_from, null::varchar as visible_until,
           to_json({id: m.customer_id})::varchar as body
    from square_profiles d join square_profiles m using (person_id) join square_profile_moments v on v.customer_id = d.customer_id
    where d.role = 'duplicate' and m.role = 'main' and v.what = 'gone' order by key;

-- Loyalty: one account per phone number, told again at each quarter's end with the points earned until then.
create table square_loyalty as
    select person_id, 'A' || opaque('loyalty', person_id, 30) as account_id, till_phone,
           greatest(joined_at, timestamp '2015-01-01') + interval 5 minute as enrolled_at
    from till_people
    where till_phone is not null and (grp = 'planted' or u('loyalty', person_id) < getvariable('p_loyalty_account'))
    qualify row_number() over (partition by till_phone order by ordinal) = 1;
