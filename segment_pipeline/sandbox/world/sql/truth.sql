-- Which record is whose, and how a link to the person's other records could be found. One row per record.
create table truth_records as
    with shared as (select till_phone from people where till_phone is not null and grp = 'household' group by till_phone having count(*) > 1),
    kinds as (
        select person_id, planted, grp, web_kind, case
            when grp = 'planted' then 'planted' when web_kind is null then 'pos_only' else web_kind end as kind
        from people),
    facts as (
        select 'square' as source, 'customer' as entity, customer_id as record_key, person_id,
               case role when 'instant' then 'instant_profile' when 'duplicate' then 'merged_away' end as special from square_profiles
        union all select 'square', 'loyalty', account_id, person_id, null from square_loyalty
        union all
        select 'square', 'order', i.order_id, o.person_id,
               case when o.known_by = 'nobody' then 'no_customer' when o.known_by = 'instant' then 'instant_profile' when o.known_by = 'tender' then 'tender_only' when o.known_by = 'duplicate' then 'merged_away' end
        from square_orders o join square_order_ids i using (n)
        union all select 'shopify', 'customer', customer_no::varchar, person_id, case role when 'second' then 'merged_away' end from web_accounts
        union all
        select 'shopify', 'order', order_no::varchar, person_id, case kind when 'tablet' then 'shared_tablet' when 'noreply' then 'noreply' end from web_orders
        union all select 'shopify', 'cart', cart_no::varchar, person_id, null from carts
        union all
        select 'amplitude', 'device', device_id, person_id, if(bool_or(email is not null or user_no is not null), null, 'anonymous_never_logged_in')
        from (select device_id, person_id, email, user_no from web_events join sessions using (session_key, device_id)) group by device_id, person_id
        union all
        select 'amplitude', 'device', device_id, min(person_id), null
        from mailable semi join amplitude_events using (device_id) group by device_id)
    select source, entity, record_key, person_id, coalesce(special, k.kind, 'anonymous_never_logged_in') as kind, k.planted
    from facts left join kinds k using (person_id) order by all;

create table truth_carts as
    select cart_no::varchar as cart_key, person_id, recovered_at is null and bought_at is null as abandoned, bought_at is not null as bought_in_store, planted
    from carts order by cart_no;
