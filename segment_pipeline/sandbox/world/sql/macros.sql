-- Pseudo-randomness is a function of the seed, a salt and a key: no result depends on the order rows are read in.
create macro u(salt, k) as md5_number_lower(getvariable('seed') || ':' || salt || ':' || k)::double / 18446744073709551616.0;
create macro upto(salt, k, n) as floor(u(salt, k) * n)::bigint;
create macro opaque(salt, k, n) as substr(upper(md5(getvariable('seed') || ':' || salt || ':' || k)), 1, n);
create macro seconds(n) as to_seconds(round(n)::bigint);
create macro iso(t) as strftime(t, '%Y-%m-%dT%H:%M:%S.%fZ');
create macro square_time(t) as strftime(t, '%Y-%m-%dT%H:%M:%S.%gZ');
create macro shopify_time(t) as strftime(t, '%Y-%m-%dT%H:%M:%SZ');
create macro amplitude_time(t) as strftime(t, '%Y-%m-%d %H:%M:%S.%f');
create macro money(cents, currency) as {amount: cents::bigint, currency: currency};
create macro decimal_text(cents) as case when cents < 0 then '-' else '' end
    || (abs(cents::bigint) // 100)::varchar || '.' || lpad((abs(cents::bigint) % 100)::varchar, 2, '0');
create macro in_currency(cents, currency) as
    case when currency = 'USD' then cents::bigint else round(cents * getvariable('p_cad_per_usd'))::bigint end;
create macro bag(cents, currency) as {
    shopMoney: {amount: decimal_text(cents), currencyCode: 'USD'},
    presentmentMoney: {amount: decimal_text(in_currency(cents, currency)), currencyCode: currency}};
create macro gid(kind, n) as 'gid://shopify/' || kind || '/' || n;
create macro slug(t) as lower(regexp_replace(t, '[^A-Za-z0-9]+', '-', 'g'));
create macro without_nulls(j) as json_merge_patch('{}', j);
-- An instant on a day of the world, between 07:30 and midnight in the shop's winter time, most in the evening.
create macro shopping_time(salt, k) as getvariable('t0') + to_days((u(salt || '.day', k) * getvariable('days'))::int % getvariable('days')::int)
    + seconds(27000 + 59000 * sqrt(u(salt || '.hour', k)));
create macro amounts(total, discount, currency) as to_json({
    total_money: money(total, currency), tax_money: money(0, currency), discount_money: money(discount, currency)})::varchar;
-- Only for lists whose objects hold no text with a null in it: the returns, whose texts are ours.
create macro without_nulls_in_list(j) as
    replace(replace(replace(j, '"source_order_id":null,', ''), '"source_line_item_uid":null,', ''), '"catalog_object_id":null,', '');
