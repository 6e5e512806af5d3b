-- One row per sellable variation of a usable version of a catalog item. Department: the top of its category's branch.
-- A category is looked up in the listing of the same pull; renaming one does not change products until they change.
-- A deleted item may come without its data, and a deleted variation is not among its item's any more: what is held of them is closed.
WITH categories AS (
  SELECT
    json_extract_string(record, '$.id') AS id,
    max(json_extract_string(record, '$.category_data.name')) AS name,
    max(json_extract_string(record, '$.category_data.parent_category.id')) AS parent_id,
    max(json_extract_string(record, '$.category_data.root_category')) AS root_id
  FROM raw_categories
  GROUP BY ALL
),
items AS (
  SELECT
    *,
    coalesce(r.item_data.reporting_category.id, r.item_data.categories[1].id, r.item_data.category_id) AS category_id,
    unnest(r.item_data.variations) AS v
  FROM usable
),
held AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY product_key ORDER BY updated_at DESC, CASE WHEN deleted_on IS NULL THEN 1 ELSE 0 END) AS place
  FROM held_products
)
SELECT
  i.v.id AS product_key,
  i.updated_at,
  CASE WHEN len(i.r.item_data.variations) > 1 THEN i.r.item_data.name || ' - ' || i.v.item_variation_data.name ELSE i.r.item_data.name END AS title,
  json_extract_string(i.r.custom_attribute_values, '$.brand.string_value') AS brand,
  coalesce(root.name, parent.name, own.name) AS department,
  CASE WHEN own.parent_id IS NOT NULL THEN own.name END AS category,
  json_extract_string(i.r.custom_attribute_values, '$.collection.string_value') AS collection,
  i.v.item_variation_data.price_money.amount * CAST(coalesce(u.value, '0.01') AS DECIMAL(5,4)) AS price,
  i.v.item_variation_data.price_money.currency AS currency,
  i.launched_on,
  CASE WHEN i.r.is_deleted OR i.v.is_deleted THEN i.day END AS deleted_on,
  CASE WHEN i.v.item_variation_data.sku <> '' THEN [i.v.item_variation_data.sku] ELSE [] END AS skus,
  i.key AS item_key,
  i.day
FROM items AS i
LEFT JOIN categories AS own ON own.id = i.category_id
LEFT JOIN categories AS parent ON parent.id = own.parent_id
LEFT JOIN categories AS root ON root.id = coalesce(own.root_id, parent.root_id)
LEFT JOIN minor_units AS u ON u.key = i.v.item_variation_data.price_money.currency
UNION ALL
SELECT
  h.product_key, u.updated_at, h.title, h.brand, h.department, h.category, h.collection, h.price, h.currency, h.launched_on,
  u.day AS deleted_on, h.skus, h.item_key, u.day
FROM usable AS u
INNER JOIN held AS h ON h.item_key = u.key AND h.place = 1
WHERE h.deleted_on IS NULL AND h.updated_at < u.updated_at
  AND NOT coalesce(list_contains(list_transform(u.r.item_data.variations, LAMBDA v: v.id), h.product_key), FALSE)
