-- The real receipts: one row per line, money in cents, for the households and days of this world.
create table all_lines as
    select household_id, store_id, basket_id, product_id, quantity, transaction_timestamp as ts,
           round(sales_value * 100)::bigint as net,
           round((retail_disc + coupon_match_disc) * 100)::bigint as card,
           round(coupon_disc * 100)::bigint as coupon
    from read_parquet(getvariable('data') || 'transactions.parquet');

-- One row per household of this world; the till they use most is their home store.
create table households as
    select household_id, min(ts) as first_ts, mode(store_id order by store_id) as home_store
    from all_lines group by household_id
    order by u('household', household_id), household_id
    limit getvariable('households');

create table product_facts as
    select product_id, min(ts) as first_ts, sum(net)::bigint as sales,
           greatest(quantile_disc((net + card + coupon) // greatest(quantity, 1), 0.5), 1)::bigint as price
    from all_lines group by product_id;

create table lines as
    select l.* from all_lines l semi join households using (household_id)
    where ts >= getvariable('t0') and ts < getvariable('t1');
drop table all_lines;

-- One row per household and product category sold by the till: what the web shop may share with it.
create table till_products as
    select p.product_id, f.sales, f.price, f.first_ts,
           p.department, p.product_category as category,
           coalesce(p.product_type, p.product_category, p.department) as product_type, p.package_size, p.brand,
           -- The data's first six weeks say little about novelty: what sold then was there before.
           case when f.first_ts >= timestamp '2017-02-15'
                then (f.first_ts - interval 5 hour)::date
                else date '2016-01-01' + upto('launch', p.product_id, 300)::int end as launched_on
    from read_parquet(getvariable('data') || 'products.parquet') p join product_facts f using (product_id);

create table demographics as
    from read_parquet(getvariable('data') || 'demographics.parquet');
create table campaign_facts as
    from read_parquet(getvariable('data') || 'campaign_descriptions.parquet');
create table campaign_sends as
    select * from read_parquet(getvariable('data') || 'campaigns.parquet') semi join households using (household_id);
create table redemptions as
    select household_id, coupon_upc::varchar as coupon_upc, campaign_id, redemption_date::date as redeemed_on
    from read_parquet(getvariable('data') || 'coupon_redemptions.parquet') semi join households using (household_id);

create table stores as
    select store_id, 'L' || opaque('store', store_id, 12) as location_id,
           case when u('store.canada', store_id) < getvariable('p_stores_in_canada') then getvariable('cities')
                else upto('store.city', store_id, getvariable('cities')) end::int as city_no
    from (select distinct store_id from lines union select home_store from households);
