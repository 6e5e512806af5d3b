create view shopify_shop_versions as
    select 'shopify' as vendor, 'shop' as entity, '1' as key, '' as route, '2016-01-01T00:00:00.000000Z' as created_at,
           '2016-01-01T00:00:00.000000Z' as updated_at, '2016-01-01T00:00:00.000000Z' as visible_from, null::varchar as visible_until,
           to_json({id: gid('Shop', 1), name: 'Sandbox Shop', myshopifyDomain: 'sandbox.myshopify.com', ianaTimezone: 'America/New_York',
                    currencyCode: 'USD', enabledPresentmentCurrencies: ['USD', 'CAD'], email: 'shop@shop.example.com'})::varchar as body;

create view shopify_products_versions as
    with moment as (select *, launched_on::timestamp + interval 5 hour as born, launched_on::timestamp + interval 2885 hour as down_at from web_products),
    versions as (
        select *, born as moment, if(not is_gift_card and collection is not null and down_at < getvariable('t1'), down_at, null) as until, price as now_price, null::bigint as was from moment
        union all
        -- Four months after its launch a collection is marked down.
        select *, down_at, null, price - price * 3 // 10, price from moment where not is_gift_card and collection is not null and down_at < getvariable('t1'))
    select 'shopify' as vendor, 'products' as entity, product_id::varchar as key, '' as route, iso(born) as created_at, iso(moment) as updated_at,
           iso(moment) as visible_from, iso(until) as visible_until,
           to_json({id: gid('Product', product_id), legacyResourceId: product_id::varchar, title: title, handle: slug(title), vendor: vendor,
               productType: category, status: 'ACTIVE', tags: [department], isGiftCard: is_gift_card, createdAt: shopify_time(born),
               updatedAt: shopify_time(moment), publishedAt: shopify_time(born),
               category: {id: gid('TaxonomyCategory', taxonomy_id), name: split_part(taxonomy, ' > ', -1), fullName: taxonomy},
               collections: if(collection is null, [], [{id: gid('Collection', 400000000 + product_no // 5), legacyResourceId: (400000000 + product_no // 5)::varchar,
                                                         title: collection, handle: slug(collection)}]),
               metafields: [
                   {id: gid('Metafield', product_id * 10 + 1), namespace: 'custom', key: 'department', type: 'single_line_text_field', value: department},
                   {id: gid('Metafield', product_id * 10 + 2), namespace: 'custom', key: 'launched_on', type: 'date', value: launched_on::varchar}],
               priceRangeV2: {minVariantPrice: {amount: decimal_text(now_price), currencyCode: 'USD'}, maxVariantPrice: {amount: decimal_text(now_price), currencyCode: 'USD'}},
               variants: [{id: gid('ProductVariant', product_id + 1000000000), legacyResourceId: (product_id + 1000000000)::varchar, title: 'Default Title', sku: sku,
                           price: decimal_text(now_price), compareAtPrice: if(was is null, null, decimal_text(was))}]})::varchar as body
    from versions order by moment, key;

-- Consent: one row per person; withdrawn_at NULL: never. Times after the last day are for runs that move the clock.
create table consents as
    with draws as (
        select person_id, planted, unnest(['email', 'ads', 'sms', 'product']) as channel, till_email, web_email, till_phone, web_phone from people)
    select person_id, channel,
           planted is not null or u('consent.' || channel, person_id) < case channel when 'email' then getvariable('p_email_consent')
               when 'ads' then getvariable('p_ads_consent') when 'sms' then getvariable('p_sms_consent') else getvariable('p_product_consent') end as granted,
           case when planted is not null then null
                when u('withdrawn.' || channel, person_id) < getvariable('p_withdrawn_last_month') then getvariable('t1') - seconds(u('withdrawn.moment.' || channel, person_id) * 29 * 86400 + 60)
                when u('withdrawn.' || channel, person_id) > 1 - getvariable('p_withdrawn_after') then getvariable('t1') + seconds(14400 + u('withdrawn.moment.' || channel, person_id) * 5 * 86400)
           end as withdrawn_at
    from draws;

create table web_account_states as
    with a as (select *, u('account.change', customer_no) as draw from web_accounts),
    moments as (
        select customer_no, created_at as moment, 'created' as what, 0 as spent from a
        union all select ordering_no, ts, 'order', net from web_order_facts where ordering_no is not null and fate is distinct from 'test'
        union all select customer_no, greatest(created_at, getvariable('t0')) + seconds(u('moved.moment', customer_no) * getvariable('days') * 43200), 'address', 0
                  from a where role = 'main' and draw < getvariable('p_account_changes')
        union all select customer_no, getvariable('t1') + seconds(14400 + u('later.mail', customer_no) * 5 * 86400), 'email', 0
                  from a where role = 'main' and draw > 0.985
        union all select a.customer_no, withdrawn_at, 'no_' || channel, 0 from a join consents using (person_id)
                  where role = 'main' and granted and channel in ('email', 'sms') and withdrawn_at > created_at
        union all select m.customer_no, s.merged_at, 'merged', 0 from a s join a m using (person_id) where s.role = 'second' and m.role = 'main'
        union all select customer_no, merged_at, 'gone', 0 from a where role = 'second'
        union all select customer_no, getvariable('t1') - seconds(u('deleted', customer_no) * getvariable('days') * 43200), 'gone', 0
                  from a join people using (person_id) where role = 'main' and grp <> 'planted' and u('delete', customer_no) < getvariable('p_account_deleted')),
    states as (
        select customer_no, moment, row_number() over w as version, count(*) filter (what = 'order') over w as orders, sum(spent) over w as spent,
               bool_or(what = 'address') over w as moved, bool_or(what = 'email') over w as new_mail,
               max(moment) filter (what = 'no_sms') over w as no_sms_at, max(moment) filter (what = 'no_email') over w as no_email_at,
               bool_or(what = 'gone') over w as gone, lead(moment) over w as until
        from moments
        window w as (partition by customer_no order by moment, what, spent rows unbounded preceding))
    select * from states;
-- Nothing happens to an account once it is gone.
create table web_account_versions as
    with ends as (select customer_no, min(moment) as gone_at from web_account_states where gone group by all)
    select s.*, if(s.moment < gone_at or gone_at is null, s.until, null) as ends
    from web_account_states s left join ends using (customer_no)
    where gone_at is null or s.moment < gone_at or (s.moment = gone_at and s.gone)
    qualify s.moment <> gone_at or gone_at is null or row_number() over (partition by customer_no, s.moment order by version desc) = 1;

create view shopify_customers_versions as
    with c as (select person_id, bool_or(granted) filter (channel = 'email') as email_ok, bool_or(granted) filter (channel = 'sms') as sms_ok from consents group by all)
    select 'shopify' as vendor, 'customers' as entity, customer_no::varchar as key, '' as route, iso(a.created_at) as created_at, iso(v.moment) as updated_at,
           iso(v.moment) as visible_from, iso(v.ends) as visible_until,
           case when v.gone then null else to_json({
               id: gid('Customer', customer_no), legacyResourceId: customer_no::varchar, firstName: p.first_name, lastName: p.last_name,
               displayName: p.first_name || ' ' || p.last_name, createdAt: shopify_time(a.created_at), updatedAt: shopify_time(v.moment),
               state: 'ENABLED', locale: if(t.country = 'CA', 'en-CA', 'en-US'), tags: []::varchar[], verifiedEmail: true,
               dataSaleOptOut: p.planted is null and u('opt.out', person_id) < getvariable('p_data_sale_opt_out'),
               numberOfOrders: v.orders::varchar, amountSpent: {amount: decimal_text(v.spent), currencyCode: 'USD'}, note: null::varchar,
               defaultEmailAddress: {
                   emailAddress: if(new_mail or role = 'second', p.new_email, p.web_email),
                   marketingState: case when not email_ok or role = 'second' then 'NOT_SUBSCRIBED' when no_email_at is not null then 'UNSUBSCRIBED' else 'SUBSCRIBED' end,
                   marketingOptInLevel: if(email_ok and role = 'main', 'SINGLE_OPT_IN', null),
                   marketingUpdatedAt: if(email_ok and role = 'main', shopify_time(coalesce(no_email_at, a.created_at)), null),
                   openTrackingLevel: 'UNKNOWN', validFormat: true},
               defaultPhoneNumber: if(p.web_phone is null, null, {phoneNumber: p.web_phone,
                   smsMarketingConsent: {
                       state: case when not sms_ok or role = 'second' then 'NEVER_SUBSCRIBED' when no_sms_at is not null then 'UNSUBSCRIBED' else 'SUBSCRIBED' end,
                       optInLevel: if(sms_ok and role = 'main', 'SINGLE_OPT_IN', null),
                       updatedAt: if(sms_ok and role = 'main', shopify_time(coalesce(no_sms_at, a.created_at)), null),
                       collectedFrom: if(sms_ok and role = 'main', 'SHOPIFY', null)},
                   whatsAppMarketingConsent: {state: 'NEVER_SUBSCRIBED', updatedAt: null::varchar}}),
               defaultAddress: {id: gid('MailingAddress', customer_no + 1), address1: if(moved, p.new_street, p.street), address2: null::varchar, city: t.name,
                   provinceCode: t.region, province: t.region_name, zip: p.postcode, countryCodeV2: t.country, country: if(t.country = 'CA', 'Canada', 'United States'),
                   phone: p.web_phone, firstName: p.first_name, lastName: p.last_name},
               statistics: {predictedSpendTier: null::varchar, rfmGroup: null::varchar},
               metafields: list_filter([
                   {id: gid('Metafield', customer_no * 10 + 1), namespace: 'custom', key: 'gender', type: 'single_line_text_field', value: if(p.planted is not null or u('gender.told', person_id) < 0.8, p.gender, null)},
                   {id: gid('Metafield', customer_no * 10 + 2), namespace: 'custom', key: 'birth_date', type: 'date', value: if(u('birth.told', person_id) < 0.2, p.birth_date::varchar, null)}],
                   lambda m: m.value is not null)})::varchar end as body
    from web_account_versions v join web_accounts a using (customer_no) join people p using (person_id) join city_table t using (city_no) join c using (person_id)
    order by v.moment, key, version;

-- An order is created, sent off, perhaps refunded or cancelled, and re-attached when its customer's accounts are merged.
create table web_order_states as
    with moments as (
        select order_no, ts as moment, 'created' as what from web_order_facts
        union all select order_no, ts + seconds((1 + u('sent', order_no) * 2) * 86400), 'sent' from web_order_facts where fate is distinct from 'cancelled' and fate is distinct from 'test'
        union all select order_no, ts + seconds((5 + u('refund.moment', order_no) * 20) * 86400), 'refunded' from web_order_facts where fate = 'refunded'
        union all select order_no, ts + interval 2 hour, 'cancelled' from web_order_facts where fate = 'cancelled'
        union all select order_no, merged_at, 'moved' from web_order_facts where ordering_no <> account_no),
    states as (
        select order_no, moment, row_number() over w as version, bool_or(what = 'sent') over w as sent,
               max(moment) filter (what = 'refunded') over w as refunded_at, max(moment) filter (what = 'cancelled') over w as cancelled_at,
               bool_or(what = 'moved') over w as moved, lead(moment) over w as until
        from moments window w as (partition by order_no order by moment, what rows unbounded preceding))
    select * from states;

create table web_line_json as
    select order_no, first_line, to_json(list({
        id: gid('LineItem', order_no * 10 + line), sku: p.sku, title: p.title, name: p.title, quantity: qty, currentQuantity: qty, isGiftCard: l.is_gift_card,
        originalUnitPriceSet: bag(l.price, currency), originalTotalSet: bag(l.gross, currency),
        discountedTotalSet: bag(l.gross - l.marked_down - l.code_discount, currency), totalDiscountSet: bag(l.marked_down + l.code_discount, currency),
        product: {id: gid('Product', p.product_id), productType: p.category, category: {id: gid('TaxonomyCategory', p.taxonomy_id), fullName: p.taxonomy}},
        variant: {id: gid('ProductVariant', p.product_id + 1000000000)},
        discountAllocations: list_filter([
            {allocatedAmountSet: bag(l.marked_down, currency), discountApplication: {__typename: 'AutomaticDiscountApplication', title: 'Season markdown', code: null}},
            {allocatedAmountSet: bag(l.code_discount, currency), discountApplication: {__typename: 'DiscountCodeApplication', title: null, code: 'SAVE10'}}],
            lambda d: d.allocatedAmountSet.shopMoney.amount <> '0.00'),
        customAttributes: []::varchar[]} order by line))::varchar as items
    from web_lines l join web_products p using (product_no) join web_order_facts o using (order_no)
    group by order_no, first_line;

create view shopify_orders_versions as
    with campaigns as (select ['google', 'direct', 'facebook', 'email', 'instagram'] as sources),
    facts as (
        select *, if(refunded_at is null, 0, first_net) as refunded, if(cancelled_at is null, net + shipping, 0) as standing,
               (select sources[1 + upto('journey', order_no, 5)] from campaigns) as came_from
        from web_order_states join web_order_facts using (order_no)),
    addressed as (
        select f.*, p.first_name, p.last_name, p.street, t.name as city, t.region, p.postcode, t.country as land,
               case kind when 'tablet' then 'tablet@shop.example.com' when 'noreply' then 'noreply@marketplace.example.com' else p.web_email end as told_email,
               case kind when 'tablet' then '+15135570100' when 'noreply' then null else p.web_phone end as told_phone
        from facts f join people p using (person_id) join city_table t using (city_no))
    select 'shopify' as vendor, 'orders' as entity, order_no::varchar as key, '' as route, iso(ts) as created_at, iso(moment) as updated_at, iso(moment) as visible_from, iso(until) as visible_until,
           replace(to_json({
               id: gid('Order', order_no), legacyResourceId: order_no::varchar, name: '#' || number, createdAt: shopify_time(ts), processedAt: shopify_time(ts), updatedAt: shopify_time(moment),
               cancelledAt: shopify_time(cancelled_at), cancelReason: if(cancelled_at is null, null, 'CUSTOMER'), closedAt: null::varchar, test: fate is not distinct from 'test',
               sourceName: case kind when 'tablet' then '4123456' when 'noreply' then '5550123' else if(u('mobile', order_no) < 0.2, 'mobile_app', 'web') end, sourceIdentifier: null::varchar,
               attribution: if(kind = 'noreply', {handle: 'marketplace', displayName: 'Marketplace'}, {handle: 'online_store', displayName: 'Online Store'}),
               retailLocation: null::varchar, currencyCode: 'USD', presentmentCurrencyCode: currency, email: told_email, phone: told_phone,
               customer: case when coalesce(if(moved, account_no, ordering_no), 0) = 0 then null else {id: gid('Customer', if(moved, account_no, ordering_no))} end,
               customerAcceptsMarketing: false,
               displayFinancialStatus: case when cancelled_at is not null then 'VOIDED' when refunded >= net and refunded > 0 then 'REFUNDED' when refunded > 0 then 'PARTIALLY_REFUNDED' else 'PAID' end,
               displayFulfillmentStatus: if(sent, 'FULFILLED', 'UNFULFILLED'), discountCodes: if(coupon, ['SAVE10'], []),
               cartToken: if(cart_no is null, null, 'cart-' || cart_no), checkoutToken: if(cart_no is null, null, 'checkout-' || cart_no), tags: []::varchar[], note: null::varchar,
               shippingAddress: if(kind = 'tablet', null, {firstName: first_name, lastName: last_name, address1: street, city: city, provinceCode: region, zip: postcode, countryCodeV2: land, phone: told_phone}),
               billingAddress: if(kind = 'tablet', null, {firstName: first_name, lastName: last_name, address1: street, city: city, provinceCode: region, zip: postcode, countryCodeV2: land, phone: told_phone}),
               subtotalPriceSet: bag(net, currency), totalPriceSet: bag(net + shipping, currency), currentTotalPriceSet: bag(greatest(standing - refunded, 0), currency),
               currentSubtotalPriceSet: bag(if(cancelled_at is null, net - refunded, 0), currency), netPaymentSet: bag(greatest(standing - refunded, 0), currency),
               totalDiscountsSet: bag(marked_down + code_discount, currency), totalShippingPriceSet: bag(shipping, currency), totalTaxSet: bag(0, currency), totalRefundedSet: bag(refunded, currency),
               customerJourneySummary: {ready: true,
                   firstVisit: {source: came_from, utmParameters: if(came_from in ('direct', 'google'), null, {source: came_from, medium: if(came_from = 'email', 'email', 'social'), campaign: 'always-on'})},
                   lastVisit: {source: came_from, utmParameters: if(came_from in ('direct', 'google'), null, {source: came_from, medium: if(came_from = 'email', 'email', 'social'), campaign: 'always-on'})}},
               lineItems: '@lines@',
               refunds: if(refunded_at is null, [], [{id: gid('Refund', order_no), legacyResourceId: order_no::varchar, createdAt: shopify_time(refunded_at), processedAt: shopify_time(refunded_at),
                   updatedAt: shopify_time(refunded_at), note: null::varchar, totalRefundedSet: bag(refunded, currency),
                   refundLineItems: [{quantity: first_qty, lineItem: {id: gid('LineItem', order_no * 10 + j.first_line)}, subtotalSet: bag(refunded, currency)}]}])
           })::varchar, '"@lines@"',
           -- A returned or cancelled line keeps its quantity and loses its current one.
           case when cancelled_at is not null then regexp_replace(items, '"currentQuantity":[0-9]+', '"currentQuantity":0', 'g')
                when refunded_at is not null then regexp_replace(items, '"currentQuantity":[0-9]+', '"currentQuantity":0') else items end) as body
    from addressed join web_line_json j using (order_no) join web_order_names using (order_no)
    order by moment, key, version;

create view shopify_abandoned_checkouts_versions as
    with totals as (
        select cart_no, sum(qty * l.price) as total, list({id: gid('AbandonedCheckoutLineItem', cart_no * 10 + line), sku: p.sku, title: p.title, quantity: qty,
            product: {id: gid('Product', p.product_id), productType: p.category}, variant: {id: gid('ProductVariant', p.product_id + 1000000000)},
            originalUnitPriceSet: bag(l.price, 'USD'), discountedTotalPriceSet: bag(l.price * qty, 'USD')} order by line) as items
        from cart_lines l join web_products p using (product_no) group by cart_no),
    versions as (
        select *, ts as moment, recovered_at as until, null::timestamp as completed from carts
        union all select *, recovered_at, null, recovered_at from carts where recovered_at is not null)
    select 'shopify' as vendor, 'abandonedCheckouts' as entity, cart_no::varchar as key, '' as route, iso(ts) as created_at, iso(moment) as updated_at, iso(moment) as visible_from, iso(until) as visible_until,
           to_json({id: gid('AbandonedCheckout', cart_no), name: '#' || cart_no, createdAt: shopify_time(ts), updatedAt: shopify_time(moment), completedAt: shopify_time(completed),
               abandonedCheckoutUrl: 'https://sandbox.myshopify.com/checkouts/cart-' || cart_no, note: '', discountCodes: []::varchar[],
               customer: if(customer_no is null, null, {id: gid('Customer', customer_no), legacyResourceId: customer_no::varchar, defaultEmailAddress: {emailAddress: p.web_email},
                   defaultPhoneNumber: if(p.web_phone is null, null, {phoneNumber: p.web_phone})}),
               shippingAddress: if(p.web_phone is null, null, {firstName: p.first_name, lastName: p.last_name, address1: p.street, city: t.name, provinceCode: t.region, zip: p.postcode, countryCodeV2: t.country, phone: p.web_phone}),
               billingAddress: null::varchar, subtotalPriceSet: bag(total, 'USD'), totalPriceSet: bag(total, 'USD'), totalLineItemsPriceSet: bag(total, 'USD'), totalDiscountSet: bag(0, 'USD'),
               lineItems: items})::varchar as body
    from versions join totals using (cart_no) join people p using (person_id) join city_table t using (city_no)
    left join web_accounts a on a.person_id = p.person_id and a.role = 'main'
    order by moment, key;
