-- One row per sellable variation of a usable version of a catalog item. Department: the top of its category's branch.
-- A category is looked up in the listing of the same pull; renaming one does not change products until they change.
WITH categories AS (
  SELECT
    json_extract_string(record, '$.id') AS id,
    max(json_extract_string(record, '$.category_data.name')) AS name,
    max(json_extract_string(record, '$.category_data.parent_category.id')) AS parent_id,
    max(json_extract_string(record, '$.category_data.root_category')) AS root_id
  FROM raw_categories
  GROUP BY ALL
),
variations AS (
  SELECT
    i.updated_at,
    i.day,
    i.r.is_deleted AS item_deleted,
    i.r.item_data.name AS item_name,
    coalesce(i.r.item_data.reporting_category.id, i.r.item_data.categories[1].id, i.r.item_data.category_id) AS category_id,
    json_extract_string(i.r.custom_attribute_values, '$.brand.string_value') AS brand,
    json_extract_string(i.r.custom_attribute_values, '$.collection.string_value') AS collection,
    json_extract_string(i.r.custom_attribute_values, '$.launched_on.string_value') AS launched_on,
    i.siblings,
    v
  FROM (
    SELECT updated_at, day, r, len(r.item_data.variations) AS siblings, unnest(r.item_data.variations) AS v
    FROM parsed
    WHERE reason IS NULL
  ) AS i
)
SELECT
  $source AS source,
  v.v.id AS product_key,
  v.updated_at,
  CASE WHEN v.siblings > 1 THEN v.item_name || ' - ' || v.v.item_variation_data.name ELSE v.item_name END AS title,
  v.brand,
  coalesce(root.name, parent.name, own.name) AS department,
  CASE WHEN own.parent_id IS NOT NULL THEN own.name END AS category,
  v.collection,
  CAST(
    v.v.item_variation_data.price_money.amount * CASE
      WHEN v.v.item_variation_data.price_money.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN CAST(1 AS DECIMAL(4,3))
      WHEN v.v.item_variation_data.price_money.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN CAST(0.001 AS DECIMAL(4,3))
      ELSE CAST(0.01 AS DECIMAL(4,3))
    END AS DECIMAL(18,4)
  ) AS price,
  v.v.item_variation_data.price_money.currency AS currency,
  TRY_CAST(v.launched_on AS DATE) AS launched_on,
  CASE WHEN v.item_deleted OR v.v.is_deleted THEN v.day END AS deleted_on,
  CASE WHEN v.v.item_variation_data.sku <> '' THEN [v.v.item_variation_data.sku] ELSE [] END AS skus,
  v.day
FROM variations AS v
LEFT JOIN categories AS own ON own.id = v.category_id
LEFT JOIN categories AS parent ON parent.id = own.parent_id
LEFT JOIN categories AS root ON root.id = coalesce(own.root_id, parent.root_id)
