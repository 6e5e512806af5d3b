"""The GraphQL that the Shopify source sends, for Admin API 2026-10. Text only; each is checked against the vendor's schema."""

MONEY = "{shopMoney{amount currencyCode}}"

_PAGE = "pageInfo{hasNextPage endCursor}"

_LINE = f"""id sku title quantity currentQuantity isGiftCard
    originalTotalSet{MONEY}
    taxLines{{priceSet{MONEY}}}
    product{{legacyResourceId}}
    discountAllocations{{allocatedAmountSet{MONEY} discountApplication{{__typename ... on AutomaticDiscountApplication{{title}}}}}}"""

# Lists inside records, by the type that holds them and their field: what is asked of each node. They come with the record as far as
# they fit, and go on by `more`.
NESTED = {
    ("Order", "lineItems"): _LINE,
    ("Refund", "refundLineItems"): f"quantity lineItem{{id isGiftCard}} subtotalSet{MONEY} totalTaxSet{MONEY}",
    ("Refund", "refundShippingLines"): f"subtotalAmountSet{MONEY} taxAmountSet{MONEY}",
    ("Refund", "orderAdjustments"): f"reason amountSet{MONEY} taxAmountSet{MONEY}",
    ("Product", "variants"): "id sku",
    ("AbandonedCheckout", "lineItems"): "sku title quantity product{legacyResourceId}",
}


def _nested(kind: str, field: str, first: str = "$nested") -> str:
    return f"{field}(first: {first}) {{ {_PAGE} nodes {{ {NESTED[kind, field]} }} }}"


SCOPES = "query Scopes{currentAppInstallation{accessScopes{handle}}}"

SHOP = "query Shop{shop{id name myshopifyDomain ianaTimezone currencyCode}}"

ORDERS = f"""query Orders($first: Int!, $after: String, $query: String, $nested: Int!) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    {_PAGE}
    nodes {{
      id legacyResourceId createdAt processedAt updatedAt cancelledAt test sourceName
      attribution{{handle}} retailLocation{{id}}
      email phone customer{{legacyResourceId}} displayFinancialStatus discountCodes
      shippingAddress{{firstName lastName phone countryCodeV2}} billingAddress{{firstName lastName phone countryCodeV2}}
      customerJourneySummary{{lastVisit{{utmParameters{{campaign}}}}}}
      currencyCode taxesIncluded totalTipReceivedSet{MONEY}
      {_nested("Order", "lineItems")}
      refunds {{
        id legacyResourceId createdAt processedAt
        totalRefundedSet{MONEY}
        {_nested("Refund", "refundLineItems")}
        {_nested("Refund", "refundShippingLines", "2")}
        {_nested("Refund", "orderAdjustments", "2")}
        duties {{ amountSet{MONEY} }}
      }}
    }}
  }}
}}"""

CUSTOMERS = f"""query Customers(
  $first: Int!, $after: String, $query: String,
  $genderSpace: String, $genderKey: String!, $birthSpace: String, $birthKey: String!
) {{
  customers(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    {_PAGE}
    nodes {{
      id legacyResourceId firstName lastName createdAt updatedAt state locale tags dataSaleOptOut
      defaultEmailAddress{{emailAddress marketingState marketingUpdatedAt}}
      defaultPhoneNumber{{phoneNumber smsMarketingConsent{{state updatedAt}}}}
      defaultAddress{{address1 city provinceCode zip countryCodeV2}}
      gender: metafield(namespace: $genderSpace, key: $genderKey) {{value}}
      birthDate: metafield(namespace: $birthSpace, key: $birthKey) {{value}}
    }}
  }}
}}"""

PRODUCTS = f"""query Products(
  $first: Int!, $after: String, $query: String, $nested: Int!,
  $departmentSpace: String, $departmentKey: String!, $launchSpace: String, $launchKey: String!
) {{
  products(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    {_PAGE}
    nodes {{
      id legacyResourceId title vendor productType status isGiftCard createdAt updatedAt publishedAt
      category{{name}}
      collections(first: 1) {{ nodes {{title}} }}
      department: metafield(namespace: $departmentSpace, key: $departmentKey) {{value}}
      launchedOn: metafield(namespace: $launchSpace, key: $launchKey) {{value}}
      priceRangeV2{{minVariantPrice{{amount currencyCode}}}}
      {_nested("Product", "variants")}
    }}
  }}
}}"""

CHECKOUTS = f"""query Checkouts($first: Int!, $after: String, $query: String, $nested: Int!) {{
  abandonedCheckouts(first: $first, after: $after, query: $query, sortKey: CREATED_AT) {{
    {_PAGE}
    nodes {{
      id createdAt updatedAt completedAt
      customer{{legacyResourceId defaultEmailAddress{{emailAddress}} defaultPhoneNumber{{phoneNumber}}}}
      shippingAddress{{firstName lastName phone countryCodeV2}} billingAddress{{firstName lastName phone countryCodeV2}}
      subtotalPriceSet{MONEY}
      {_nested("AbandonedCheckout", "lineItems")}
    }}
  }}
}}"""


# What is null is not there any more. Whose an order is now.
THERE = "query There($ids: [ID!]!) { nodes(ids: $ids) {id} }"
OWNERS = "query Owners($ids: [ID!]!) { nodes(ids: $ids) { ... on Order {id customer{id}} } }"


def count(field: str) -> str:
    """How many records a listing's filter matches; `precision` tells whether the vendor stopped counting."""
    return f"query Count($query: String, $limit: Int) {{ {field}(query: $query, limit: $limit) {{count precision}} }}"


def more(kind: str, field: str) -> str:
    """More of a list inside a record."""
    inner = f"{field}(first: $first, after: $after) {{ {_PAGE} nodes {{ {NESTED[kind, field]} }} }}"
    return (
        f"query More($id: ID!, $first: Int!, $after: String) {{ node(id: $id) {{ ... on {kind} {{ id {inner} }} }} }}"
    )


def ends(field: str) -> str:
    """The smallest and the largest id that a listing's filter matches."""
    return (
        f"query Ends($query: String) {{ smallest: {field}(first: 1, query: $query, sortKey: ID) {{nodes {{id}}}}"
        f" largest: {field}(first: 1, query: $query, sortKey: ID, reverse: true) {{nodes {{id}}}} }}"
    )
