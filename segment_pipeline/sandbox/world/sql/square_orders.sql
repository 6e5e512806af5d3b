-- Every order of the till: real baskets keep their number; synthetic ones are numbered from 10^15, by kind.
create table square_buyers as
    select p.person_id, p.household_id, p.till_phone, m.customer_id as main_id, i.customer_id as instant_id,
           d.customer_id as duplicate_id, d.created_at as duplicate_from, m.created_at as known_from,
           coalesce(p.home_location, (select min(location_id) from stores)) as home_location
    from till_people p
    join square_profiles m on m.person_id = p.person_id and m.role = 'main'
    left join square_profiles i on i.person_id = p.person_id and i.role = 'instant'
    left join square_profiles d on d.person_id = p.person_id and d.role = 'duplicate';

create table baskets as
    select basket_id as n, household_id, any_value(store_id) as store_id, any_value(ts) as ts,
           sum(net)::bigint as total, sum(card)::bigint as card, sum(coupon)::bigint as coupon
    from lines group by basket_id, household_id;

-- A coupon's number and campaign are known from the redemption of that household on that day.
create table basket_coupons as
    select n, list(coupon_upc order by coupon_upc) as codes, min(campaign_id) as campaign_id
    from (
        select r.*, max({coupon: b.coupon, n: b.n}).n as n
        from redemptions r
        join baskets b on b.household_id = r.household_id and b.coupon > 0 and (b.ts - interval 5 hour)::date = r.redeemed_on
        group by r.household_id, r.coupon_upc, r.campaign_id, r.redeemed_on)
    group by n;

create table square_orders as
    select n, 'real' as kind, b.person_id, s.location_id, if(c.country = 'CA', 'CAD', 'USD') as currency, k.ts, 'COMPLETED' as state,
           case when draw < getvariable('p_order_tender_only') then 'tender'
                when draw < getvariable('p_order_tender_only') + getvariable('p_order_nobody') then 'nobody'
                when b.instant_id is not null and draw > 0.9 then 'instant'
                when k.ts >= b.duplicate_from and k.ts < b.duplicate_from + interval 40 day and draw > 0.3 then 'duplicate'
                else 'main' end as known_by,
           case when edit < getvariable('p_order_edited') then 'edited'
                when edit < getvariable('p_order_edited') + getvariable('p_order_opened_first') then 'opened'
                when edit > 1 - getvariable('p_order_late') then 'late' end as course,
           k.total, k.card, k.coupon, null::bigint as returned_n, null::bigint as returned, false as linked
    from (select *, u('order.known', n) as draw, u('order.course', n) as edit from baskets) k
    join square_buyers b using (household_id) join stores s using (store_id) join city_table c using (city_no);

-- Returns and exchanges: the dearest line of a receipt comes back, an exchange takes the same again.
create table return_lines as
    select basket_id as n, max({net: net, product_id: product_id}).product_id as product_id, max(net) as net
    from lines where net > 0 and quantity between 1 and 20 and u('return', basket_id) < getvariable('p_order_returned')
    group by basket_id;
insert into square_orders
    select 1000000000000000 + o.n, case when u('return.exchange', o.n) < getvariable('p_return_exchange') then 'exchange' else 'return' end,
           person_id, location_id, currency, o.ts + seconds((1 + u('return.after', o.n) * 24) * 86400), 'COMPLETED',
           if(known_by in ('main', 'tender'), known_by, 'nobody'), null,
           0, 0, 0, o.n, r.net, u('return.unlinked', o.n) >= getvariable('p_return_unlinked')
    from square_orders o join return_lines r using (n)
    where o.kind = 'real' and o.ts + seconds((1 + u('return.after', o.n) * 24) * 86400) < getvariable('t1');

-- Cancelled orders repeat a real receipt's first lines an hour before it; open ones wait on the last day.
insert into square_orders
    select 2000000000000000 + n, 'cancelled', person_id, location_id, currency, ts - interval 1 hour, 'CANCELED', 'main', null, 0, 0, 0, n, null, false
    from square_orders where kind = 'real' and known_by = 'main' and u('cancel', n) < getvariable('p_order_cancelled')
      and ts - interval 1 hour >= getvariable('t0');
insert into square_orders
    select 3000000000000000 + n, 'open', person_id, location_id, currency, getvariable('t1') - seconds(600 + u('open.moment', n) * 80000), 'OPEN', 'main', null, 0, 0, 0, n, null, false
    from (select * from square_orders where kind = 'real' and known_by = 'main' order by u('open', n), n
          limit greatest(2, round(getvariable('p_open_orders') * getvariable('scale'))::int));

-- Prepaid balance: gift card loads all through the year, some of them sure to fall into the last week.
create table gift_loads as
    with ranked as (select person_id, row_number() over (order by u('gift', person_id), person_id) as place, count(*) over () as n
                    from square_buyers where household_id is not null)
    select person_id, place, getvariable('t1') - seconds(u('gift.last', person_id) * 6.5 * 86400 + 3600) as ts from ranked
    where place <= greatest(3, getvariable('p_gift_card_loads_last_week') * n)
    union all
    select person_id, i * 10000 + place, shopping_time('gift.moment.' || i, person_id)
    from ranked, range(1, 1 + greatest(1, (getvariable('p_gift_card_loads') * getvariable('scale') / n * 4)::int)) as t(i)
    where u('gift.any.' || i, person_id) < 0.25
    union all
    select person_id, 900000 + ordinal, getvariable('t1') - interval 3 day from people where planted = 'prepaid_balance';
insert into square_orders
    select 4000000000000000 + place * 100 + row_number() over (partition by place order by person_id), 'gift_card', person_id, home_location,
           if(l.currency = 'CAD', 'CAD', 'USD'), ts, 'COMPLETED', 'main', null, 2500 * (1 + upto('gift.size', person_id || place, 4)), 0, 0, null, null, false
    from gift_loads join square_buyers using (person_id) left join location_currency l on l.location_id = home_location;

-- What the till sold of carts left in the web shop, and what planted people bought there.
insert into square_orders
    select 5000000000000000 + cart_no, 'cart', person_id, home_location, coalesce(l.currency, 'USD'), bought_at, 'COMPLETED', 'main', null,
           (select sum(qty * price) from cart_lines cl where cl.cart_no = c.cart_no)::bigint, 0, 0, null, null, false
    from carts c join square_buyers using (person_id) left join location_currency l on l.location_id = home_location
    where bought_at is not null;

create table square_order_ids as
    select n, opaque('order', n, 22) as order_id from square_orders;

-- One row per line, real or not, in the form all bodies are made of.
create table square_lines as
    select basket_id as n, product_id::varchar as sku, 'V' || product_id as variation_id,
           coalesce(p.product_type, 'Item') as name, quantity::varchar as quantity, 'ITEM' as item_type,
           case when quantity between 1 and 200 and coalesce(p.department, '') <> 'FUEL'
                then round((net + card + coupon) / quantity)::bigint when quantity = 0 then net + card + coupon else 0 end as base,
           net + card + coupon as gross, card + coupon as discount, net
    from lines left join till_products p using (product_id);
insert into square_lines
    select x.n, l.sku, l.variation_id, l.name, l.quantity, l.item_type, l.base, l.gross, l.discount, l.net
    from square_orders x join square_lines l on l.n = x.returned_n
    where x.kind in ('cancelled', 'open') and u('copy', l.n || l.sku) < 0.6;
insert into square_lines
    select x.n, l.sku, l.variation_id, l.name, l.quantity, l.item_type, l.base, l.gross, l.discount, l.net
    from square_orders x join return_lines r on r.n = x.returned_n
    join square_lines l on l.n = r.n and l.sku = r.product_id::varchar where x.kind = 'exchange';
insert into square_lines
    select n, null, null, 'Gift Card', '1', 'GIFT_CARD', total, total, 0, total from square_orders where kind = 'gift_card';
insert into square_lines
    select 5000000000000000 + cart_no, w.sku, 'V' || w.sku, w.title, qty::varchar, 'ITEM', l.price, qty * l.price, 0, qty * l.price
    from cart_lines l join carts c using (cart_no) join web_products w using (product_no) where c.bought_at is not null;
delete from square_orders where kind in ('cancelled', 'open') and n not in (select n from square_lines);
update square_orders set total = coalesce((select sum(net) from square_lines l where l.n = square_orders.n), 0)::bigint
    where kind in ('cancelled', 'open', 'exchange');

-- One row per version of an order.
create table square_order_versions as
    with first as (
        select o.*, i.order_id, b.main_id, b.instant_id, b.duplicate_id,
               case known_by when 'main' then b.main_id when 'instant' then b.instant_id when 'duplicate' then b.duplicate_id end as customer_id,
               case known_by when 'tender' then b.main_id end as tender_customer_id
        from square_orders o join square_order_ids i using (n) join square_buyers b using (person_id)),
    versions as (
        select *, 1 as version, ts + interval 20 second as moment,
               case when course = 'opened' or state = 'CANCELED' then 'OPEN' else state end as shown_state,
               if(course = 'edited', null, customer_id) as shown_customer
        from first
        union all
        select *, 2, ts + seconds(case when state = 'CANCELED' then 1800 when course = 'opened' then 18000 + u('close', n) * 90000
                                       else (1 + u('edit', n) * 19) * 86400 end),
               state, customer_id
        from first where course in ('edited', 'opened') or state = 'CANCELED'),
    shown as (
        select *, if(course = 'late', moment + seconds(7200 + u('late', n) * 250000), moment) as seen from versions)
    select *, lead(seen) over (partition by n order by version) as until from shown;

-- The real names of order lines hold quotes and slashes: to_json escapes them.
create macro square_orders_versions_between(low, high) as table
    with chosen as (select * from square_order_versions where ts >= low and ts < high),
    line_lists as (
        select l.n, to_json(list({uid: place::varchar, catalog_object_id: variation_id, name: name, quantity: quantity, item_type: item_type,
                   base_price_money: money(base, currency), gross_sales_money: money(gross, currency),
                   total_discount_money: money(discount, currency), total_money: money(net, currency)} order by place))::varchar as items
        from (select l.*, o.currency, row_number() over (partition by l.n order by length(sku), sku) as place
              from square_lines l join (select distinct n, currency from chosen) o using (n)) l
        group by l.n),
    returned as (
        select c.n, to_json([{uid: 'r', source_order_id: if(linked, i.order_id, null),
                return_line_items: [{uid: '1', source_line_item_uid: if(linked, p.place::varchar, null), name: if(linked, p.name, 'Custom Amount'),
                    quantity: if(linked, p.quantity, '1'), catalog_object_id: if(linked, p.variation_id, null),
                    item_type: if(linked, 'ITEM', 'CUSTOM_AMOUNT'),
                    gross_return_money: money(if(linked, p.gross, p.net), currency),
                    total_discount_money: money(if(linked, p.discount, 0), currency), total_money: money(p.net, currency)}],
                return_amounts: {total_money: money(p.net, currency), tax_money: money(0, currency),
                                 discount_money: money(if(linked, p.discount, 0), currency)}}])::varchar as returns
        from chosen c join square_order_ids i on i.n = c.returned_n
        join (select l.*, row_number() over (partition by l.n order by length(sku), sku) as place
              from square_lines l semi join (select returned_n from chosen where kind in ('return', 'exchange')) x on x.returned_n = l.n) p on p.n = c.returned_n
        join return_lines r on r.n = c.returned_n and r.product_id::varchar = p.sku
        where c.kind in ('return', 'exchange'))
    select 'square' as vendor, 'orders' as entity, order_id as key, location_id as route, iso(c.ts) as created_at, iso(moment) as updated_at,
           iso(seen) as visible_from, iso(until) as visible_until,
           '{"id":"' || order_id || '","location_id":"' || location_id || '"'
           || if(kind = 'real', ',"reference_id":"' || c.n || '"', '')
           || ',"source":{"name":"Point of Sale"}'
           || coalesce(',"customer_id":"' || shown_customer || '"', '')
           || coalesce(',"line_items":' || replace(items, '"catalog_object_id":null,', ''), '')
           || case when card > 0 or coupon > 0 then ',"discounts":[' || concat_ws(',',
                  case when card > 0 then to_json({uid: 'card', name: 'Loyalty price', type: 'FIXED_AMOUNT', scope: 'LINE_ITEM', applied_money: money(card, currency)})::varchar end,
                  case when coupon > 0 then coalesce(
                      array_to_string(list_transform(k.codes, lambda code, i: to_json({uid: 'coupon-' || i, name: 'COUPON ' || code, type: 'FIXED_AMOUNT', scope: 'LINE_ITEM',
                          applied_money: money(coupon // len(k.codes) + if(i = 1, coupon % len(k.codes), 0), currency)})::varchar), ','),
                      to_json({uid: 'coupon', name: 'Manufacturer coupon', type: 'FIXED_AMOUNT', scope: 'LINE_ITEM', applied_money: money(coupon, currency)})::varchar) end)
                || ']' else '' end
           || case when returns is not null then ',"returns":' || without_nulls_in_list(returns)
                || ',"return_amounts":' || amounts(c.returned, 0, currency)
                || ',"refunds":[{"id":"R' || order_id || '","location_id":"' || location_id || '"' || if(linked, ',"tender_id":"T' || opaque('order', returned_n, 22) || '"', '')
                || ',"created_at":"' || square_time(c.ts) || '","reason":"' || if(linked, 'Returned goods', 'Custom Amount')
                || '","amount_money":' || to_json(money(c.returned, currency)) || ',"status":"APPROVED"}]' else '' end
           || case when shown_state = 'COMPLETED' and kind <> 'return' and c.total > 0 then
                ',"tenders":[{"id":"T' || order_id || '","location_id":"' || location_id || '","created_at":"' || square_time(c.ts)
                || '","amount_money":' || to_json(money(c.total, currency)) || ',"type":"' || if(u('tender', c.n) < 0.7, 'CARD', 'CASH') || '"'
                || coalesce(',"customer_id":"' || coalesce(tender_customer_id, shown_customer) || '"', '') || '}]' else '' end
           || ',"net_amounts":' || amounts(c.total - coalesce(if(kind in ('return', 'exchange'), c.returned, 0), 0), card + coupon, currency)
           || case when k.campaign_id is not null then ',"metadata":{"campaign_id":"' || k.campaign_id || '"}' else '' end
           || ',"created_at":"' || square_time(c.ts) || '","updated_at":"' || square_time(moment) || '"'
           || case when shown_state = 'OPEN' then '' else ',"closed_at":"' || square_time(if(course = 'edited', c.ts + interval 20 second, moment)) || '"' end
           || ',"state":"' || shown_state || '","version":' || version
           || ',"total_money":' || to_json(money(c.total, currency)) || ',"total_tax_money":' || to_json(money(0, currency))
           || ',"total_discount_money":' || to_json(money(card + coupon, currency)) || '}' as body
    from chosen c left join line_lists using (n) left join returned using (n) left join basket_coupons k using (n)
    order by moment, key, version;
