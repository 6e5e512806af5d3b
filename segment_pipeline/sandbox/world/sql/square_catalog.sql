create view square_locations_versions as
    select 'square' as vendor, 'locations' as entity, location_id as key, '' as route,
           '2014-06-01T12:00:00.000000Z' as created_at, '2014-06-01T12:00:00.000000Z' as updated_at,
           '2014-06-01T12:00:00.000000Z' as visible_from, null::varchar as visible_until,
           to_json({id: location_id, name: 'Store ' || store_id,
               address: {address_line_1: store_id || ' Main Street', locality: c.name, administrative_district_level_1: c.region,
                         postal_code: if(c.country = 'CA', c.postcode_prefix, c.postcode_prefix || '02'), country: c.country},
               timezone: c.timezone, status: 'ACTIVE', created_at: '2014-06-01T12:00:00.000Z', merchant_id: 'ML0SANDBOX',
               country: c.country, language_code: 'en-' || c.country, currency: if(c.country = 'CA', 'CAD', 'USD'),
               type: 'PHYSICAL',
               coordinates: {latitude: round(c.lat + (u('lat', store_id) - 0.5) * 0.3, 5),
                             longitude: round(c.lon + (u('lon', store_id) - 0.5) * 0.3, 5)}})::varchar as body
    from stores join city_table c using (city_no) order by key;

-- What this world's till sold, the web shop's products that it sells too, and their categories.
create table till_items as
    select 'I' || product_id as item_id, 'V' || product_id as variation_id, product_id::varchar as sku,
           trim(product_type || ' ' || coalesce(package_size, '')) as name, department, category, brand, launched_on,
           case when launched_on >= date '2017-01-01' then '2017 Q' || quarter(launched_on) || ' arrivals' end as collection, price
    from till_products semi join (select distinct product_id from lines) using (product_id)
    union all
    select 'I' || sku, 'V' || sku, sku, title, department, category, vendor, launched_on, collection, price
    from web_products where sku like 'W-%' and not is_gift_card;

create table till_categories as
    with pairs as (select distinct department, category from till_items)
    select distinct 'K' || opaque('department', department, 20) as category_id, department as name, null::varchar as parent_id from pairs
    union all
    select 'K' || opaque('category', department || '/' || category, 20), category, 'K' || opaque('department', department, 20)
    from pairs where category is not null and category <> department;

create view square_catalog_versions as
    with old as (select timestamp '2015-01-01' as moment),
    objects as (
        select category_id as id, moment, without_nulls(to_json({type: 'CATEGORY', id: category_id, updated_at: square_time(moment),
            version: epoch_ms(moment), is_deleted: false, present_at_all_locations: true,
            category_data: {name: name, category_type: 'REGULAR_CATEGORY', is_top_level: parent_id is null,
                parent_category: if(parent_id is null, null, {id: parent_id, ordinal: 0}), root_category: parent_id}}))::varchar as body
        from till_categories, old
        union all
        select 'CAD' || upper(replace(k, '_', '')), moment, to_json({type: 'CUSTOM_ATTRIBUTE_DEFINITION', id: 'CAD' || upper(replace(k, '_', '')),
            updated_at: square_time(moment), version: epoch_ms(moment), is_deleted: false, present_at_all_locations: true,
            custom_attribute_definition_data: {type: 'STRING', name: n, key: k, allowed_object_types: ['ITEM'],
                seller_visibility: 'SELLER_VISIBILITY_READ_WRITE_VALUES', app_visibility: 'APP_VISIBILITY_HIDDEN'}})::varchar
        from (values ('brand', 'Brand'), ('launched_on', 'Launched on'), ('collection', 'Collection')) as d(k, n), old
        union all
        select item_id, launched_on::timestamp, without_nulls(to_json({
            type: 'ITEM', id: item_id, updated_at: square_time(launched_on::timestamp), version: epoch_ms(launched_on::timestamp),
            is_deleted: false, present_at_all_locations: true,
            custom_attribute_values: {
                brand: if(brand is null, null, {name: 'Brand', string_value: brand, custom_attribute_definition_id: 'CADBRAND', type: 'STRING', key: 'brand'}),
                launched_on: {name: 'Launched on', string_value: launched_on::varchar, custom_attribute_definition_id: 'CADLAUNCHEDON', type: 'STRING', key: 'launched_on'},
                collection: if(collection is null, null, {name: 'Collection', string_value: collection, custom_attribute_definition_id: 'CADCOLLECTION', type: 'STRING', key: 'collection'})},
            item_data: {name: name, product_type: 'REGULAR', categories: [{id: cat, ordinal: 0}], reporting_category: {id: cat, ordinal: 0},
                variations: [{type: 'ITEM_VARIATION', id: variation_id, updated_at: square_time(launched_on::timestamp),
                    version: epoch_ms(launched_on::timestamp), is_deleted: false, present_at_all_locations: true,
                    item_variation_data: {item_id: item_id, name: 'Regular', sku: sku, ordinal: 0, pricing_type: 'FIXED_PRICING',
                        price_money: money(price, 'USD')}}]}}))::varchar
        from (select *, case when category is not null and category <> department
                             then 'K' || opaque('category', department || '/' || category, 20)
                             else 'K' || opaque('department', department, 20) end as cat from till_items))
    select 'square' as vendor, 'catalog' as entity, id as key, '' as route, iso(moment) as created_at, iso(moment) as updated_at,
           iso(moment) as visible_from, null::varchar as visible_until, body
    from objects order by moment, key;
