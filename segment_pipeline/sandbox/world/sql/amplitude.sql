-- Visits. A device belongs to one person; most of what it does is anonymous until a log-in.
create table sessions as
    with shoppers as (
        select person_id, web_kind, account, grp from web_people where grp <> 'planted'),
    buying as (
        select 'o' || order_no as session_key, person_id, ts - interval 12 minute as start_ts, 'purchase' as kind, order_no, null::bigint as cart_no
        from web_orders where kind not in ('tablet', 'noreply')
        union all
        select 'c' || cart_no, person_id, ts - interval 9 minute, 'cart', null, cart_no from carts),
    browsing as (
        select 'b' || i || session_key as session_key, person_id, start_ts - seconds(7200 + u('before.' || i, session_key) * 12 * 86400) as start_ts, 'browse' as kind, null::bigint as order_no, null::bigint as cart_no
        from buying, range(1, 4) as r(i) where kind = 'purchase' and u('browse.' || i, session_key) < getvariable('p_browse_sessions_per_order') / 3
        union all
        select 'v' || i || person_id, person_id, shopping_time('visit.' || i, person_id), if(u('idle.' || i, person_id) < 0.06 and account, 'idle', 'browse'), null, null
        from shoppers, range(1, 31) as r(i)
        where i <= floor(-ln(1 - u('visits', person_id)) * getvariable('p_browse_sessions_per_person') * getvariable('days') / 365.0) + 1
        union all
        select 'h' || i || person_id, person_id, shopping_time('look.' || i, person_id), 'browse', null, null
        from people, range(1, 13) as r(i)
        where web_kind is null and grp = 'household' and u('looks', person_id) < 0.5
          and i <= floor(-ln(1 - u('look', person_id)) * getvariable('p_browse_sessions_per_till_household') * 2 * getvariable('days') / 365.0) + 1
        union all
        select 'a' || d || '.' || i, 'D' || d, shopping_time('anon.' || i, d), 'browse', null, null
        from range(round(getvariable('p_anonymous_devices') * getvariable('scale'))::int) as n(d), range(1, 4) as r(i)
        where u('anon', d || '.' || i) < 0.55
        union all
        select session_key, person_id, start_ts, 'planted', null, null from plant_sessions),
    every as (select * from buying union all select * from browsing)
    select e.*, case when e.person_id like 'D%' then 'web-' || lower(opaque('device', e.person_id, 20))
                     when u('mobile', e.person_id) < 0.3 and u('session.mobile', session_key) < 0.5 then 'app-' || lower(opaque('phone', e.person_id, 20))
                     else 'web-' || lower(opaque('device', e.person_id, 20)) end as device_id,
           a.customer_no is not null and (e.kind in ('idle', 'planted') or u('login', session_key) < if(e.kind in ('purchase', 'cart'), 0.8, getvariable('p_logged_in_sessions') * 0.6)) as logs_in,
           a.customer_no, p.web_email, p.gender, coalesce(p.web_kind, 'none') as web_kind,
           coalesce(t.name, 'Cincinnati') as city, coalesce(t.region_name, 'Ohio') as region, coalesce(t.country, 'US') as land
    from every e left join people p using (person_id) left join city_table t using (city_no)
    left join web_accounts a on a.person_id = e.person_id and a.role = 'main'
    where e.start_ts >= getvariable('t0') and e.start_ts < getvariable('t1') - interval 5 minute;

-- One row per thing done in a session. `step` orders them, at 35 seconds each; a log-in is step 1.
create table deeds as
    with views as (
        select session_key, line, start_ts,
               coalesce(w.tastes, ['Women', 'Shoes', 'Men', 'Food', 'Home', 'Beauty', 'Infant', 'Electronics', 'Shoes', 'Women'])
                   [1 + upto('look.' || line, session_key, 10)] as department
        from sessions s left join web_people w using (person_id), range(1, 5) as r(line)
        where s.kind in ('browse', 'purchase', 'cart') and line <= 1 + upto('looked', session_key, if(s.kind = 'browse', 4, 2))),
    seen as (
        select v.session_key, v.line, l.product_no
        from views v asof join launched_counts c on c.department = v.department and v.start_ts::date > c.launched_on
        join launched l on l.department = v.department
            -- Half of what is looked at is among the newest tenth: that is what the front page shows.
            and l.place = if(u('new.' || v.line, v.session_key) < 0.5, c.n - upto('seen.' || v.line, v.session_key, greatest(c.n // 10, 1)), 1 + upto('seen.' || v.line, v.session_key, c.n))),
    bought as (
        select session_key, line, product_no, qty from sessions s join web_lines l on l.order_no = s.order_no
        union all select session_key, line, product_no, qty from sessions s join cart_lines l on l.cart_no = s.cart_no)
    select session_key, 0 as step, 'visit' as what, null::bigint as product_no, null::bigint as qty from sessions where kind <> 'planted'
    union all select session_key, 1, 'login', null, null from sessions where logs_in
    union all select session_key, 2, 'search', null, null from sessions where kind = 'browse' and u('search', session_key) < 0.15
    union all select session_key, 2 + line * 2 - 1, 'category_viewed', product_no, null from seen where u('cat.' || line, session_key) < 0.4
    union all select session_key, 2 + line * 2, 'product_viewed', product_no, null from seen
    union all select session_key, 8 + line, 'product_viewed', product_no, null from bought where u('again.' || line, session_key) < 0.7
    union all select session_key, 11 + line, 'cart_added', product_no, qty from bought
    union all select session_key, 13, 'cart_added', product_no, 1 from seen where line = 2 and session_key like 'v%' and u('add', session_key) < 0.05
    union all select session_key, 14, 'social_engaged', null, null from sessions where kind = 'browse' and u('social', session_key) < 0.05
    union all select session_key, 15, 'content_viewed', null, null from sessions where kind = 'browse' and u('content', session_key) < 0.08
    union all select session_key, 16, 'checkout_started', null, null from sessions where kind in ('purchase', 'cart')
    union all select session_key, 20, 'order_completed', null, null from sessions where kind = 'purchase'
    union all select session_key, step, what, product_no, qty from plant_deeds semi join sessions using (session_key);

create table web_events as
    select session_key, step, what, product_no, s.start_ts + case when what = 'order_completed' then interval 12 minute else to_seconds(step * 35) end as moment,
           device_id, start_ts, if(logs_in and step >= 1, customer_no, null) as user_no,
           case when logs_in and step >= 1 then web_email
                when what in ('checkout_started', 'order_completed') and customer_no is null and web_email is not null and u('guest.mail', device_id) < 0.6 then web_email end as email,
           if(logs_in and step >= 1, gender, null) as gender, city, region, land, if(device_id like 'app-%', if(u('os', device_id) < 0.5, 'iOS', 'Android'), 'Web') as platform,
           case what
               when 'visit' then to_json({landing_page: '/', referrer: if(u('ref', session_key) < 0.4, 'https://www.google.com/', null),
                   utm_source: if(u('utm', session_key) < 0.2, 'newsletter', null), utm_medium: if(u('utm', session_key) < 0.2, 'email', null), utm_campaign: if(u('utm', session_key) < 0.2, 'weekly', null)})::varchar
               when 'login' then '{"method":"password"}'
               when 'search' then to_json({query: ['running shoes', 'dress', 'coffee', 'diapers', 'gift', 'coat'][1 + upto('query', session_key, 6)]})::varchar
               when 'category_viewed' then to_json({department: w.department, category: w.category})::varchar
               when 'product_viewed' then to_json({product_id: w.product_id::varchar, sku: w.sku, product_name: w.title, department: w.department, category: w.category, collection: w.collection, price: w.price / 100.0})::varchar
               when 'cart_added' then to_json({product_id: w.product_id::varchar, sku: w.sku, product_name: w.title, department: w.department, category: w.category, collection: w.collection, price: w.price / 100.0, quantity: d.qty})::varchar
               when 'checkout_started' then to_json({cart_token: coalesce('cart-' || s.cart_no, 'cart-' || s.order_no), checkout_id: s.cart_no::varchar, currency: 'USD'})::varchar
               when 'order_completed' then to_json({order_id: s.order_no::varchar, revenue: (select net from web_totals t where t.order_no = s.order_no) / 100.0, currency: 'USD'})::varchar
               when 'social_engaged' then to_json({network: ['instagram', 'facebook', 'pinterest'][1 + upto('net', session_key, 3)], action: ['share', 'like', 'follow'][1 + upto('act', session_key, 3)]})::varchar
               when 'content_viewed' then to_json({content_id: 'story-' || upto('story', session_key, 20), topic: ['style', 'running', 'recipes', 'sustainability'][1 + upto('topic', session_key, 4)]})::varchar
           end as properties
    from deeds d join sessions s using (session_key) left join web_products w using (product_no);

-- Campaign messages: the real campaigns with their real recipients, and monthly newsletters.
create table campaigns as
    select campaign_id as number, 'cj-' || campaign_id as campaign_id, if(campaign_id = 18, 'Buy Your Loved Ones', 'Coupons ' || campaign_id) as name, campaign_type as type,
           start_date::timestamp as starts_at, end_date::timestamp as ends_at, 500 + campaign_id * 20 as cost
    from campaign_facts
    union all
    select 1000 + i, 'news-' || i, 'Newsletter ' || i, 'Newsletter', getvariable('t1') - to_days((i * 365 // getvariable('p_newsletters_per_year') - 20)::int),
           getvariable('t1') - to_days((i * 365 // getvariable('p_newsletters_per_year') - 27)::int), 120
    from range(1, getvariable('p_newsletters_per_year') + 1) as r(i);
create table mailable as
    select p.person_id, p.household_id, p.planted, coalesce(p.till_email, p.web_email) as mail, coalesce(p.till_phone, p.web_phone) as phone, p.account,
           'esp-' || substr(md5(coalesce(p.till_email, p.web_email)), 1, 20) as device_id, if(p.account and p.web_email = coalesce(p.till_email, p.web_email), 6000000000000 + ordinal, null) as user_no,
           t.name as city, t.region_name as region, t.country as land,
           c.granted as mails_ok, c.withdrawn_at
    from people p join city_table t using (city_no) join consents c on c.person_id = p.person_id and c.channel = 'email'
    where coalesce(p.till_email, p.web_email) is not null;
create table sends as
    select campaign_id, person_id, 's' || campaign_id || person_id as message_id, greatest(starts_at, getvariable('t0')) + seconds(50400 + u('send', campaign_id || person_id) * 20000) as moment
    from (select household_id, number from campaign_sends s join campaigns c on c.number = s.campaign_id
          union select household_id, campaign_id from redemptions) x
    join campaigns c using (number) join mailable using (household_id) where ends_at >= getvariable('t0')
    union all
    select campaign_id, person_id, 's' || campaign_id || person_id, starts_at + seconds(u('send', campaign_id || person_id) * 7200)
    from campaigns c, mailable m where c.number > 1000 and m.mails_ok and m.planted is null and (m.withdrawn_at is null or m.withdrawn_at > starts_at)
    union all
    select 'cj-18', person_id, 's18' || person_id, getvariable('t1') - interval 50 day from mailable where planted = 'gift_givers';

create table mail_events as
    with told as (select s.*, u('delivered', message_id) < getvariable('p_message_delivered') or m.planted is not null as arrived, u('opened', message_id) as draw, m.planted from sends s join mailable m using (person_id)),
    acts as (
        select message_id, campaign_id, person_id, moment, 'message_sent' as what, null::varchar as coupon from told
        union all select message_id, campaign_id, person_id, moment + interval 30 second, if(arrived, 'message_delivered', 'message_bounced'), null from told
        union all select message_id, campaign_id, person_id, moment + seconds(600 + u('open.after', message_id) * 90000), 'message_opened', null from told where arrived and draw < getvariable('p_message_opened')
        union all select message_id, campaign_id, person_id, moment + seconds(660 + u('open.after', message_id) * 90000), 'message_clicked', null from told where arrived and draw < getvariable('p_message_clicked')
        union all select t.message_id, t.campaign_id, t.person_id, greatest(r.redeemed_on::timestamp + interval 20 hour, t.moment + interval 1 hour), 'message_responded', coupon_upc
                  from told t join mailable m using (person_id) join redemptions r on r.household_id = m.household_id and 'cj-' || r.campaign_id = t.campaign_id
        union all select message_id, campaign_id, person_id, moment + interval 2 day, 'message_responded', null from told where planted = 'gift_givers' and campaign_id = 'cj-18'
        union all select max(message_id), max_by(campaign_id, moment), person_id, max(withdrawn_at), 'message_unsubscribed', null
                  from told join mailable using (person_id) where withdrawn_at > moment group by person_id)
    select message_id as session_key, what, a.moment, m.device_id, user_no, mail as email, m.city, m.region, m.land,
           without_nulls(to_json({campaign_id: c.campaign_id, campaign_name: c.name, campaign_type: c.type, channel: 'email', message_id: message_id, campaign_starts_on: c.starts_at::date::varchar,
               campaign_ends_on: c.ends_at::date::varchar, campaign_cost: c.cost, coupon_upc: coupon}))::varchar as properties
    from acts a join campaigns c using (campaign_id) join mailable m using (person_id);

-- Consent that no shop account holds: advertising and what the shop itself shows for everybody, e-mail and SMS for those without an account.
create table consent_events as
    with facts as (
        select m.*, c.channel, c.granted, c.withdrawn_at as ends_at, if(c.channel = 'sms', 'phone', 'email') as identifier_type, if(c.channel = 'sms', m.phone, m.mail) as identifier,
               getvariable('t0') + seconds(u('asked', person_id) * least(20, getvariable('days') / 2) * 86400) as asked_at
        from (select * exclude (withdrawn_at, mails_ok) from mailable) m join consents c using (person_id)
        where c.channel in ('ads', 'product') or not m.account),
    told as (
        select *, asked_at as moment, if(granted, 'granted', 'denied') as status, if(granted, 'sign-up form 3, box ticked', 'sign-up form 3, box left empty') as evidence from facts where granted or u('denied.' || channel, person_id) < 0.2
        union all select *, ends_at, 'denied', 'preference centre' from facts where granted and ends_at > asked_at)
    select channel || status || person_id as session_key, 'consent_updated' as what, moment, device_id, user_no, mail as email, city, region, land,
           to_json({identifier_type: identifier_type, identifier: identifier, channel: channel, purpose: 'marketing', status: status, evidence: evidence})::varchar as properties
    from told where identifier is not null;

create table survey_events as
    with affluent as (
        select person_id, row_number() over (order by u('affluent', person_id), person_id) as place, count(*) over () as n
        from mailable join demographics using (household_id) where income in ('100-124K', '125-149K', '150-174K', '175-199K', '200-249K', '250K+')),
    asked as (
        select m.*, a.place <= greatest(2, a.n * 0.3) as saves_food, shopping_time('survey', person_id) as moment
        from mailable m left join affluent a using (person_id)
        where u('survey', person_id) < getvariable('p_survey_answered') or a.place <= greatest(2, a.n * 0.3)),
    answers as (
        select person_id, 'favourite_department' as question_id, ['Women', 'Men', 'Shoes', 'Home', 'Food', 'Beauty'][1 + upto('favourite', person_id, 6)] as answer, null::bigint as score from asked
        union all select person_id, 'interest', if(saves_food, 'food_waste_reduction', ['food_waste_reduction', 'running', 'cooking', 'fashion', 'parenting'][1 + upto('interest', person_id, 5)]), null from asked
        union all select person_id, 'price_satisfaction', (1 + upto('price', person_id, 5))::varchar, 1 + upto('price', person_id, 5) from asked
        union all select person_id, 'nps', upto('nps', person_id, 11)::varchar, upto('nps', person_id, 11) from asked)
    select question_id || person_id as session_key, 'survey_answered' as what, moment, device_id, user_no, mail as email, city, region, land,
           without_nulls(to_json({survey_id: 'spring-2017', question_id: question_id, answer: answer, score: score, answer_id: 'a-' || question_id || '-' || substr(md5(person_id), 1, 12)}))::varchar as properties
    from asked join answers using (person_id);

-- One row per event as exported: late ones are uploaded hours or days after they happened, some are uploaded twice.
create table amplitude_events as
    with happened as (
        select session_key || '.' || step || '.' || what || '.' || coalesce(product_no, 0) as id, what, moment, device_id, epoch_ms(start_ts) as session_id, user_no, email, gender, city, region, land, platform, properties
        from web_events
        union all
        select session_key || '.' || what || '.' || moment || md5(properties), what, moment, device_id, -1, user_no, email, null, city, region, land, 'Server', properties
        from (from mail_events union all from consent_events union all from survey_events)
        where moment >= getvariable('t0')),
    uploaded as (
        select *, 0 as repeat, moment + case when u('late', id) < getvariable('p_event_late') and platform <> 'Server' then seconds(7200 + u('late.by', id) * 5 * 86400) else seconds(1 + u('sent', id) * 30) end as up from happened)
    select * from uploaded where up < getvariable('t1') + interval 7 day
    union all
    select * replace (1 as repeat, up + seconds(3700 + u('again', id) * 80000) as up) from uploaded where u('repeated', id) < getvariable('p_event_repeated') and up < getvariable('t1');

create macro amplitude_events_versions_between(low, high) as table
    select 'amplitude' as vendor, 'events' as entity, uuid as key, strftime(up, '%Y%m%dT%H') as route, iso(moment) as created_at, iso(up) as updated_at, iso(up) as visible_from, null::varchar as visible_until,
           '{"uuid":"' || uuid || '","$insert_id":"' || insert_id || '","event_id":' || md5_number_lower(id) % 1000000 || ',"event_type":"' || what || '","event_time":"' || amplitude_time(moment)
           || '","client_event_time":"' || amplitude_time(moment) || '","client_upload_time":"' || amplitude_time(up - interval 300 millisecond) || '","server_received_time":"' || amplitude_time(up - interval 100 millisecond)
           || '","server_upload_time":"' || amplitude_time(up) || '","processed_time":"' || amplitude_time(up + interval 2 second)
           || '","user_id":' || coalesce('"' || user_no || '"', 'null') || ',"device_id":"' || device_id || '","amplitude_id":' || md5_number_lower(device_id) % 1000000000000 || ',"session_id":' || session_id
           || ',"event_properties":' || coalesce(properties, '{}')
           || ',"user_properties":' || case when email is null then '{}' when gender is null then '{"email":"' || email || '"}' else '{"email":"' || email || '","gender":"' || gender || '"}' end
           || ',"groups":{},"country":"' || if(land = 'CA', 'Canada', 'United States') || '","region":"' || region || '","city":"' || city || '","platform":"' || platform
           || '","os_name":"' || case platform when 'Web' then 'Chrome' when 'Server' then '' else lower(platform) end || '","app":1}' as body
    from (select *, md5(getvariable('seed') || ':event:' || id || ':' || repeat)::uuid::varchar as uuid, lower(opaque('insert', id, 24)) as insert_id from amplitude_events where up >= low and up < high)
    order by up, uuid;
