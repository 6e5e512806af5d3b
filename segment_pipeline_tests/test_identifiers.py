"""Canonical forms, and rules as sent: literal cases, the vendors' own vectors and code, Python against DuckDB."""

import duckdb
import pyarrow as pa
import pytest
from facebook_business.adobjects.customaudience import CustomAudience
from hypothesis import given, settings, strategies as st

from segment_pipeline import identifiers
from segment_pipeline.identifiers import BLOCKED, RULES

ASCII_ADDRESSES = st.one_of(
    st.text(st.characters(max_codepoint=127), max_size=40),
    st.from_regex(r"[ \t]{0,2}[A-Za-z0-9.+'_-]{1,12}@([A-Za-z0-9-]{1,8}\.){1,3}[A-Za-z]{1,4}[ \n]?", fullmatch=True),
    st.from_regex(r"[a-z.]{60,68}@[a-z]{55,66}\.[a-z]{2,66}", fullmatch=True),
)


@pytest.fixture(scope="module")
def duck() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("  Mary@Example.COM\n", "mary@example.com"),
        ("m.a.r.y+tag@gmail.com", "m.a.r.y+tag@gmail.com"),
        ("ｍａｒｙ＠shop.example.org", "mary@shop.example.org"),
        ("jo\u00adse@shop.org", "jose@shop.org"),
        ("info@bücher.de", "info@xn--bcher-kva.de"),
        ("josé@shop.org", "josé@shop.org"),
        ("o'neil@shop.co.uk", "o'neil@shop.co.uk"),
    ],
)
def test_an_address_has_one_canonical_form(raw: str, canonical: str) -> None:
    assert identifiers.email(raw) == canonical
    assert identifiers.email(canonical) == canonical


@pytest.mark.parametrize(
    "raw",
    [
        None,
        " \t",
        "mary",
        "mary@",
        "@shop.org",
        "ma ry@shop.org",
        "a@b@shop.org",
        ".mary@shop.org",
        "mary@shop",
        "mary@shop..org",
        "mary@-shop.org",
        "mary@shop.1",
        "mary@shop.org.",
        "x" * 65 + "@shop.org",
        "mary@" + "a" * 63 + "." + ("b" * 63 + ".") * 3 + "org",
    ],
)
def test_an_unusable_address_is_none(raw: str | None) -> None:
    assert identifiers.email(raw) is None


@settings(max_examples=400, deadline=None)
@given(raw=ASCII_ADDRESSES)
def test_email_sql_equals_python_on_ascii(duck: duckdb.DuckDBPyConnection, raw: str) -> None:
    (in_sql,) = duck.execute(f"SELECT {identifiers.email_sql('r')} FROM (SELECT ? AS r)", [raw]).fetchone() or (None,)
    assert in_sql == identifiers.email(raw)


@pytest.mark.parametrize("raw", ["İnfo@shop.org", "\u212aate@shop.org", "josé@shop.org", "a@bücher.de", None])
def test_email_sql_leaves_other_text_to_python(duck: duckdb.DuckDBPyConnection, raw: str | None) -> None:
    """U+0130 and the Kelvin sign become ASCII letters in DuckDB's lower(): two people would become one."""
    assert duck.execute(f"SELECT {identifiers.email_sql('r')} FROM (SELECT ? AS r)", [raw]).fetchone() == (None,)


@pytest.mark.parametrize(
    ("raw", "country", "canonical"),
    [
        ("(415) 555-2671", "US", "+14155552671"),
        ("+1 415 555 2671", None, "+14155552671"),
        ("0014155552671", None, "+14155552671"),
        ("020 7183 8750", "GB", "+442071838750"),
        ("020 7183 8750", "uk", "+442071838750"),
        ("+44 20 7183 8750", "US", "+442071838750"),
        ("415-555-2671 x123", "US", "+14155552671"),
        ("٤١٥٥٥٥٢٦٧١", "US", "+14155552671"),
    ],
)
def test_a_phone_becomes_e164_by_its_country(raw: str, country: str | None, canonical: str) -> None:
    assert identifiers.phone(raw, country) == canonical


@settings(max_examples=300, deadline=None)
@given(
    raw=st.from_regex(r"(\+?1[ .-]?)?\(?[2-9][0-9]{2}\)?[ .-]?[2-9][0-9]{2}[ .-]?[0-9]{4}", fullmatch=True),
    country=st.sampled_from(["US", "CA", "GB", None]),
)
def test_the_short_way_for_north_america_equals_the_library(raw: str, country: str | None) -> None:
    assert identifiers.phone(raw, country) == identifiers._parsed_phone(raw, country or "")


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        (None, "US"),
        ("  ", "US"),
        ("call me", "US"),
        ("020 7183 8750", None),
        ("020 7183 8750", "Atlantis"),
        ("555-2671", "US"),
        ("+1415555267199", None),
        ("+1415", None),
    ],
)
def test_an_unusable_phone_is_none(raw: str | None, country: str | None) -> None:
    assert identifiers.phone(raw, country) is None


def test_bulk_forms_keep_rows() -> None:
    pairs = pa.table({"raw": ["415 555 2671", "x"], "country": ["US", None]})
    assert identifiers.phones(pairs).to_pylist() == [
        {"raw": "415 555 2671", "country": "US", "phone": "+14155552671"},
        {"raw": "x", "country": None, "phone": None},
    ]
    assert identifiers.emails(pa.table({"raw": ["A@shop.org", None]})).to_pylist() == [
        {"raw": "A@shop.org", "email": "a@shop.org"},
        {"raw": None, "email": None},
    ]


def test_names_postcodes_and_devices() -> None:
    assert identifiers.name("  José   O'NEIL ") == "josé o'neil"
    assert identifiers.name("12") is None
    assert identifiers.postcode("sw1a 1aa", "GB") == "SW1A1AA"
    assert identifiers.postcode("94117-1234", "US") == "94117"
    assert identifiers.postcode("9411", "US") is None
    assert identifiers.postcode("", "US") is None
    assert identifiers.device_id(" 5F3A2B18-9C4D-4E7F-B8E2-17D3A1E69B25") == "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25"
    assert identifiers.device_id("00000000-0000-0000-0000-000000000000") is None


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("email", "noreply@shop.org", "no_reply"),
        ("email", "no-reply+7@shop.org", "no_reply"),
        ("email", "donotreply@shop.org", "no_reply"),
        ("email", "reply@shop.org", None),
        ("email", "norah@shop.org", None),
        ("email", "none@shop.org", "placeholder"),
        ("email", "mary@example.com", "reserved_domain"),
        ("email", "mary@till.test", "reserved_domain"),
        ("email", "mary@myexample.com", None),
        ("phone", "+10000000000", "repeated_digit"),
        ("phone", "+449999999999", "repeated_digit"),
        ("phone", "+14155552671", None),
    ],
)
def test_blocked_patterns_mean_the_same_in_duckdb(
    duck: duckdb.DuckDBPyConnection, kind: str, value: str, reason: str | None
) -> None:
    import re

    hits = {why for why, pattern in BLOCKED[kind].items() if re.search(pattern, value)}
    in_sql = {
        why
        for why, pattern in BLOCKED[kind].items()
        if duck.execute("SELECT regexp_matches(?, ?)", [value, pattern]).fetchone() == (True,)
    }
    assert hits == in_sql == ({reason} if reason else set())


def test_rules_give_metas_published_vectors() -> None:
    assert RULES["email/sha256/1"].apply("mary@example.com") == (
        "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79"
    )
    assert RULES["phone/digits-sha256/1"].apply("+15559876543") == (
        "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e"
    )
    assert RULES["phone/sha256/1"].apply("+18005550100") == (
        "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30"
    )
    assert RULES["email/sha256/1"].apply("alexz@example.com") == (
        "509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a"
    )


CANONICAL = {
    "email": st.from_regex(r"[a-z0-9]{1,8}([.+_-][a-z0-9]{1,5}){0,2}@[a-z0-9]{1,8}\.(com|de|co\.uk)", fullmatch=True),
    "phone": st.from_regex(r"\+[1-9][0-9]{7,13}", fullmatch=True),
}


@settings(max_examples=60, deadline=None)
@given(email=CANONICAL["email"], phone=CANONICAL["phone"])
def test_meta_rules_agree_with_metas_own_code(email: str, phone: str) -> None:
    """The agreed domain is canonical values: the SDK hashes an empty cell and keeps leading zeros, the documentation does not."""
    schema = CustomAudience.Schema.MultiKeySchema
    payload = CustomAudience.format_params([schema.email, schema.phone], [[email, phone]], is_raw=True)
    ours = [RULES["email/sha256/1"].apply(email), RULES["phone/digits-sha256/1"].apply(phone)]
    assert payload["payload"]["data"] == [ours]


@pytest.mark.parametrize("rule", sorted(RULES))
@settings(max_examples=40, deadline=None)
@given(email=CANONICAL["email"], phone=CANONICAL["phone"])
def test_a_rule_gives_the_same_in_python_and_in_sql(
    duck: duckdb.DuckDBPyConnection, rule: str, email: str, phone: str
) -> None:
    value = phone if rule.startswith("phone/") else email
    query = f"SELECT {RULES[rule].sql('v')}, {RULES[rule].sql('NULL::VARCHAR')} FROM (SELECT ? AS v)"
    assert duck.execute(query, [value]).fetchone() == (RULES[rule].apply(value), None)
