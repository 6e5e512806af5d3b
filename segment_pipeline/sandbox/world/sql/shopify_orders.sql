-- Who shops on the web, how often, and what they are likely to look for.
create table web_people as
    select p.*, c.country, if(c.country = 'CA', 'CAD', 'USD') as currency, 6000000000000 + ordinal as customer_no,
           case when gender = 'female' then ['Women', 'Women', 'Women', 'Shoes', 'Home', 'Beauty', 'Infant', 'Food', 'Electronics', 'Men']
                else ['Men', 'Men', 'Men', 'Shoes', 'Shoes', 'Electronics', 'Electronics', 'Food', 'Home', 'Women'] end as tastes
    from people p join city_table c using (city_no) where web_kind is not null;

create table web_orders as
    select 5000000000000 + ordinal * 1000 + i as order_no, person_id, 'natural' as kind, shopping_time('web.order.' || i, person_id) as ts, null::bigint as cart_no
    from (select *, least(80, 1 + floor(-ln(1 - u('web.orders', person_id)) * getvariable('days') / 365.0
                * if(grp = 'household', getvariable('p_orders_per_web_household'), getvariable('p_orders_per_web_only') - 0.9)))::int as orders
          from web_people where grp <> 'planted') t, range(1, 81) as r(i)
    where i <= orders
    union all
    select order_no, person_id, 'planted', ts, null from plant_orders
    where ts >= getvariable('t0') and ts < getvariable('t1');

-- Orders taken on the shop's tablet and through a market place that hides its buyers: nobody can tell whose they are.
insert into web_orders
    with buyers as (select person_id, row_number() over (order by u('tablet.buyer', person_id), person_id) as place, count(*) over () as n
                    from people where grp = 'household')
    select if(kind = 'tablet', 5200000000000, 5300000000000) + i, person_id, kind, shopping_time(kind, i), null
    from (select 'tablet' as kind, unnest(range(greatest(2, round(getvariable('p_tablet_orders') * getvariable('scale'))::int))) as i
          union all
          select 'noreply', unnest(range(greatest(1, round(getvariable('p_noreply_orders') * getvariable('scale'))::int)))) x
    join buyers on place = 1 + (i * if(kind = 'tablet', 7, 11)) % n;

-- Carts left at the checkout; some come back and buy, some buy at the till.
create table carts as
    with places as (select unnest(range(round(getvariable('p_checkouts') * getvariable('scale') * getvariable('days') / 365.0)::int)) as i),
    shoppers as (select person_id, account, at_till, row_number() over (order by u('cart.person', person_id), person_id) - 1 as place, count(*) over () as n
                 from web_people where grp <> 'planted'),
    drawn as (
        select 8000000000000 + i as cart_no, person_id, account, at_till, shopping_time('cart', i) as ts, u('cart.end', i) as fate, u('cart.after', i) as wait
        from places join shoppers on place = upto('cart.who', i, n))
    select cart_no, person_id, account, ts,
           case when fate < getvariable('p_checkout_recovered') then ts + seconds(900 + wait * 2 * 86400) end as recovered_at,
           case when fate > 1 - getvariable('p_checkout_bought_in_store') and at_till then ts + seconds(7200 + wait * 4 * 86400) end as bought_at,
           null::varchar as planted
    from drawn
    union all
    select cart_no, person_id, true, ts, null, bought_at, planted from plant_carts;
update carts set recovered_at = null where recovered_at >= getvariable('t1');
update carts set bought_at = null where bought_at >= getvariable('t1');
insert into web_orders
    select 5100000000000 + (cart_no - 8000000000000), person_id, 'recovered', recovered_at, cart_no from carts where recovered_at is not null;

-- Lines of orders and carts: a department to the person's taste, then a product of those launched by then.
create table launched as
    select department, product_no, launched_on, row_number() over (partition by department order by launched_on, product_no) as place
    from web_products where not is_gift_card;
create table launched_counts as
    select department, launched_on, max(place) as n from launched group by all;
create table wanted as
    with buckets as (
        select 'order' as what, order_no as n, person_id, ts from web_orders where kind in ('natural', 'tablet', 'noreply')
        union all select 'cart', cart_no, person_id, ts from carts where planted is null),
    picks as (
        select what, n, ts, line,
               coalesce(w.tastes, ['Food', 'Home', 'Women', 'Men', 'Shoes', 'Infant', 'Beauty', 'Electronics', 'Food', 'Home'])
                   [1 + upto('taste.' || line, n, 10)] as department
        from buckets b left join web_people w using (person_id), range(1, 5) as r(line)
        where line <= 1 + floor(pow(u('lines', n), 2) * 4))
    select what, p.n, line, ts, p.department, l.product_no,
           case when u('qty.' || line, p.n) < 0.85 then 1 when u('qty.' || line, p.n) < 0.97 then 2 else 3 end as qty
    from picks p
    asof join launched_counts c on c.department = p.department and p.ts::date > c.launched_on
    join launched l on l.department = p.department and l.place = 1 + upto('product.' || line, p.n, c.n);

create table cart_lines as
    select n as cart_no, row_number() over (partition by n order by line) as line, product_no, qty, price
    from wanted join web_products using (product_no) where what = 'cart'
    union all
    select cart_no, line, product_no, 1, price from plant_cart_lines join web_products using (product_no);

create table web_lines as
    with raw as (
        select n as order_no, line, product_no, qty, null::boolean as markdown from wanted where what = 'order'
        union all
        select order_no, line, product_no, qty, null from web_orders o join cart_lines using (cart_no) where kind = 'recovered'
        union all
        select order_no, line, product_no, qty, markdown from plant_lines semi join web_orders using (order_no)
        union all
        select order_no, 9, (select min(product_no) from web_products where is_gift_card) + upto('gift.web', order_no, 3), 1, false
        from web_orders where kind = 'natural' and u('gift.card', order_no) < getvariable('p_order_gift_card')),
    priced as (
        select r.order_no, r.line, r.product_no, r.qty, w.price, w.price * r.qty as gross, w.is_gift_card,
               case when coalesce(r.markdown, not w.is_gift_card and w.collection is not null and o.ts::date - w.launched_on > 120
                                  and u('markdown.' || r.line, r.order_no) < getvariable('p_line_markdown'))
                    then w.price * r.qty * 3 // 10 else 0 end as marked_down,
               o.kind, u('coupon', r.order_no) < getvariable('p_order_coupon') and o.kind in ('natural', 'recovered') as coupon
        from raw r join web_products w using (product_no) join web_orders o using (order_no))
    select *, if(coupon and not is_gift_card, (gross - marked_down) // 10, 0) as code_discount from priced;

create table web_totals as
    select order_no, sum(gross)::bigint as gross, sum(marked_down)::bigint as marked_down, sum(code_discount)::bigint as code_discount,
           sum(gross - marked_down - code_discount)::bigint as net, min(line) as first_line,
           arg_min(gross - marked_down - code_discount, line)::bigint as first_net, arg_min(qty, line) as first_qty, bool_or(coupon) as coupon
    from web_lines group by order_no;

-- Accounts: the main one and, for a few, a second one that is merged into it.
create table web_accounts as
    with firsts as (
        select person_id, least((select min(o.ts) from web_orders o where o.person_id = w.person_id and kind not in ('tablet', 'noreply')),
                                (select min(c.ts) from carts c where c.person_id = w.person_id)) as first_ts, w.*
        from web_people w where account)
    select person_id, customer_no, 'main' as role,
           case when u('account.old', person_id) < 0.3 and grp <> 'planted' then timestamp '2016-01-05' + seconds(u('account.since', person_id) * 300 * 86400)
                else coalesce(first_ts, getvariable('t0') + interval 1 hour) - interval 6 minute end as created_at,
           null::timestamp as merged_at
    from firsts
    union all
    select person_id, customer_no + 100000000000, 'second', coalesce(first_ts, getvariable('t0') + interval 1 hour) - interval 5 minute,
           getvariable('t0') + seconds((0.3 + 0.65 * u('merge.moment', person_id)) * getvariable('days') * 86400)
    from firsts where grp <> 'planted' and u('merge', person_id) < getvariable('p_account_merged');
delete from web_accounts where merged_at < created_at;

create table web_order_facts as
    select o.*, w.currency, w.web_kind, t.net, t.gross, t.marked_down, t.code_discount, t.first_line, t.first_net, t.first_qty, t.coupon,
           case when t.net >= 5000 or o.kind in ('tablet', 'planted') then 0 else 499 end as shipping,
           case when o.kind not in ('natural', 'recovered') then null
                when s.customer_no is not null and o.ts between s.created_at and s.merged_at and u('second', o.order_no) < 0.5 then s.customer_no
                else a.customer_no end as ordering_no,
           if(o.kind = 'planted', a.customer_no, if(o.kind in ('natural', 'recovered'), a.customer_no, null)) as account_no, s.merged_at,
           case when o.kind in ('natural') and u('web.fate', o.order_no) < getvariable('p_order_refunded') then 'refunded'
                when o.kind in ('natural') and u('web.fate', o.order_no) > 1 - getvariable('p_order_cancelled_web') then 'cancelled'
                when o.kind in ('natural') and u('web.fate', o.order_no) between 0.5 and 0.5 + getvariable('p_order_test') then 'test' end as fate
    from web_orders o join web_totals t using (order_no) left join web_people w using (person_id)
    left join web_accounts a on a.person_id = o.person_id and a.role = 'main'
    left join web_accounts s on s.person_id = o.person_id and s.role = 'second';
update web_order_facts set ordering_no = account_no where kind = 'planted';
update web_order_facts set currency = 'USD' where currency is null;
create table web_order_names as select order_no, 1000 + row_number() over (order by ts, order_no) as number from web_orders;
