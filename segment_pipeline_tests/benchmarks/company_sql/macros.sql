-- What a company is made of, as pure functions of numbers: the same seed gives the same company, whatever is made first.
-- Days are counted from the first of history, from 0. A person is a number from 0; `t` is the person's own draw.
CREATE OR REPLACE TEMP MACRO draw(what, a, b) AS hash(what, a, b, getvariable('seed'));
CREATE OR REPLACE TEMP MACRO pick(h, shift, n) AS CAST((h >> shift) % n AS BIGINT);
CREATE OR REPLACE TEMP MACRO unit(h) AS CAST(h >> 12 AS DOUBLE) / 4503599627370496.0;
CREATE OR REPLACE TEMP MACRO on_day(d) AS getvariable('start') + CAST(d AS INTEGER);
CREATE OR REPLACE TEMP MACRO at_second(d, s) AS make_timestamptz(getvariable('start_us') + (CAST(d AS BIGINT) * 86400 + s) * 1000000);

-- Activity is skewed alike at every size: people stand in crowds of up to a thousand, and within one the first do most.
CREATE OR REPLACE TEMP MACRO somebody(h, g) AS
    CAST(g % getvariable('crowds') AS BIGINT) * getvariable('crowd')
    + CAST(floor(getvariable('crowd') * unit(h) * unit(h)) AS BIGINT);

CREATE OR REPLACE TEMP MACRO traits_of(p) AS draw('person', p, 0);
-- 40 % have an account at the till and in the shop, 25 % at the till alone, 30 % in the shop alone, 5 % are guests.
CREATE OR REPLACE TEMP MACRO at_till(t) AS pick(t, 0, 100) < 65;
CREATE OR REPLACE TEMP MACRO in_shop(t) AS pick(t, 0, 100) < 40 OR pick(t, 0, 100) BETWEEN 65 AND 94;
CREATE OR REPLACE TEMP MACRO is_guest(t) AS pick(t, 0, 100) >= 95;
-- 55 % are there all year, 25 % join within it, 20 % are lost within it.
CREATE OR REPLACE TEMP MACRO joins_on(t) AS CASE WHEN pick(t, 8, 100) BETWEEN 55 AND 79 THEN pick(t, 16, getvariable('days')) ELSE -1 - pick(t, 16, 700) END;
CREATE OR REPLACE TEMP MACRO is_active(t, d) AS CASE
    WHEN pick(t, 8, 100) < 55 THEN TRUE
    WHEN pick(t, 8, 100) < 80 THEN d >= pick(t, 16, getvariable('days'))
    ELSE d <= pick(t, 16, getvariable('days'))
END;

CREATE OR REPLACE TEMP MACRO till_key(p) AS 'C' || ((p * 2654435761) & 4294967295);
CREATE OR REPLACE TEMP MACRO shop_key(p) AS CAST(7000000000000 + ((p * 2246822519) & 4294967295) AS VARCHAR);
CREATE OR REPLACE TEMP MACRO first_name(t) AS list_extract(
    ['Anna', 'Ben', 'Carla', 'David', 'Elif', 'Femi', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Keiko', 'Liam', 'Mara', 'Noah', 'Olga', 'Paul'],
    1 + pick(t, 5, 16));
CREATE OR REPLACE TEMP MACRO last_name(t) AS list_extract(
    ['Abel', 'Brown', 'Costa', 'Diaz', 'Evans', 'Fischer', 'Garcia', 'Haas', 'Ito', 'Jones', 'Keller', 'Lopez', 'Meyer', 'Novak', 'Okoye', 'Park'],
    1 + pick(t, 9, 16));
CREATE OR REPLACE TEMP MACRO domain(t) AS list_extract(['post', 'mail', 'inbox', 'letters', 'web'], 1 + pick(t, 13, 5)) || '.example';
CREATE OR REPLACE TEMP MACRO email_of(p, t) AS lower(first_name(t)) || '.' || lower(last_name(t)) || p || '@' || domain(t);
-- 3 % share the telephone of the household next door.
CREATE OR REPLACE TEMP MACRO phone_of(p, t) AS '+1' || (2012000000 + p - CASE WHEN p > 0 AND pick(t, 40, 33) = 0 THEN 1 ELSE 0 END);
CREATE OR REPLACE TEMP MACRO device_of(p, n) AS 'd' || draw('device', p, n);
CREATE OR REPLACE TEMP MACRO country_of(t) AS CASE WHEN pick(t, 21, 20) = 0 THEN 'DE' ELSE 'US' END;

-- Four thousand products in 200 categories of 20 departments; of each category one in each of twenty collections of its
-- department, which are launched over the year. Seven in ten are chosen from four favourite categories of one department.
CREATE OR REPLACE TEMP MACRO chosen_category(h, t) AS CASE
    WHEN pick(h, 4, 10) < 7 THEN (pick(t, 12, 200) + pick(h, 8, 4) * 20) % 200
    ELSE CAST(floor(200 * unit(h) * unit(h)) AS BIGINT)
END;
CREATE OR REPLACE TEMP MACRO chosen(h, c, d) AS c + 200 * pick(h, 40, 1 + least(19, (d + 40 - c % 20) // 20));
CREATE OR REPLACE TEMP MACRO chosen_product(h, t, d) AS chosen(h, chosen_category(h, t), d);
CREATE OR REPLACE TEMP MACRO product_key(source, q) AS CASE source WHEN 'square' THEN 'V' || q ELSE CAST(9000000000 + q AS VARCHAR) END;
CREATE OR REPLACE TEMP MACRO category_no(q) AS q % 200;
CREATE OR REPLACE TEMP MACRO collection_no(q) AS q // 200;
CREATE OR REPLACE TEMP MACRO category(q) AS CASE category_no(q)
    WHEN 0 THEN 'Running Shoes' WHEN 1 THEN 'Dresses' WHEN 2 THEN 'Snacks' WHEN 3 THEN 'Diapers' ELSE 'Category ' || category_no(q)
END;
CREATE OR REPLACE TEMP MACRO department(q) AS CASE category_no(q) % 20
    WHEN 0 THEN 'Shoes' WHEN 1 THEN 'Women' WHEN 2 THEN 'GROCERY' WHEN 3 THEN 'Infant' WHEN 4 THEN 'Men' WHEN 5 THEN 'PRODUCE'
    WHEN 6 THEN 'MEAT' WHEN 7 THEN 'Home' WHEN 8 THEN 'Beauty' WHEN 9 THEN 'Electronics' ELSE 'Department ' || (category_no(q) % 20)
END;
CREATE OR REPLACE TEMP MACRO collection(q) AS 'Collection ' || collection_no(q) || ' ' || department(q);
CREATE OR REPLACE TEMP MACRO launched_on(q) AS on_day(collection_no(q) * 20 - 40 + category_no(q) % 20);
CREATE OR REPLACE TEMP MACRO list_cents(q) AS 199 + (q * 7919) % 9800;
CREATE OR REPLACE TEMP MACRO money(cents) AS CAST(CAST(cents AS DECIMAL(14,0)) * 0.01 AS DECIMAL(18,4));
CREATE OR REPLACE TEMP MACRO profile_of(p) AS substr(sha256('person ' || p), 1, 32);
