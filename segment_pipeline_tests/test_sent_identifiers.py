"""Identifiers as they are sent: the vendors' own vectors and code, Python against DuckDB."""

import hashlib

import duckdb
import pytest
from facebook_business.adobjects.customaudience import CustomAudience
from hypothesis import given, settings, strategies as st

from segment_pipeline.identifiers import RULES


@pytest.fixture(scope="module")
def duck() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


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


@pytest.mark.parametrize(
    ("address", "hashed"),
    [
        ("alexz@example.com", "509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a"),
        ("cloudy.sanfrancisco+shopping@gmail.com", "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4"),
    ],
)
def test_googles_rule_gives_the_vectors_of_googles_own_tests(address: str, hashed: str) -> None:
    assert RULES["email/gmail-sha256/1"].apply(address) == hashed


@pytest.mark.parametrize(
    ("address", "as_hashed"),
    [
        ("a.b+c@googlemail.com", "ab@googlemail.com"),
        ("user.name+nyc@example.com", "user.name+nyc@example.com"),
        ("+x@gmail.com", "+x@gmail.com"),
        ("a.b@mail.gmail.com", "a.b@mail.gmail.com"),
    ],
)
def test_only_gmails_addresses_lose_dots_and_tags(address: str, as_hashed: str) -> None:
    assert RULES["email/gmail-sha256/1"].apply(address) == RULES["email/sha256/1"].apply(as_hashed)


CANONICAL = {
    "email": st.from_regex(
        r"[a-z0-9]{1,8}([.+_-][a-z0-9]{1,5}){0,2}@([a-z0-9]{1,8}|gmail|googlemail)\.(com|de|co\.uk)", fullmatch=True
    ),
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


@settings(max_examples=60, deadline=None)
@given(
    name=st.from_regex(r"[A-Za-z][A-Za-z' .-]{0,12}", fullmatch=True),
    postcode=st.from_regex(r"[0-9]{5}(-[0-9]{4})?", fullmatch=True),
    country=st.sampled_from(["US", "de", "GB"]),
)
def test_metas_match_keys_agree_with_metas_own_code(name: str, postcode: str, country: str) -> None:
    """On plain letters: of others the SDK keeps none, where the page asks for them in UTF-8."""
    keys = CustomAudience.Schema.MultiKeySchema
    schema, row = [keys.fn, keys.ln, keys.zip, keys.country], [name, name, postcode, country]
    payload = CustomAudience.format_params(schema, [[value.lower() for value in row]], is_raw=True)
    rules = ("name/letters-sha256/1", "name/letters-sha256/1", "postcode/short-sha256/1", "country/letters-sha256/1")
    assert payload["payload"]["data"] == [[RULES[rule].apply(value) for rule, value in zip(rules, row, strict=True)]]


@pytest.mark.parametrize(
    ("rule", "value", "as_hashed"),
    [
        ("name/letters-sha256/1", "O'Neil-Smith Jr.", "oneilsmithjr"),
        ("name/letters-sha256/1", "Zoë", "zoë"),
        ("name/letters-sha256/1", "정", "정"),
        ("postcode/short-sha256/1", "94035-1234", "94035"),
        ("postcode/short-sha256/1", "SW1A 1AA", "sw1a1"),
        ("postcode/short-sha256/1", "1234 AB", "1234ab"),
        ("country/letters-sha256/1", "US", "us"),
    ],
)
def test_match_keys_are_in_the_form_metas_page_asks_for(
    duck: duckdb.DuckDBPyConnection, rule: str, value: str, as_hashed: str
) -> None:
    made = RULES[rule]
    expected = hashlib.sha256(as_hashed.encode()).hexdigest()
    assert made.apply(value) == expected
    assert duck.execute(f"SELECT {made.sql('v')} FROM (SELECT ? AS v)", [value]).fetchone() == (expected,)


@pytest.mark.parametrize(
    ("rule", "value", "sent"),
    [
        ("name/lower-sha256/1", " O'Neil-Smith ", hashlib.sha256(b"o'neil-smith").hexdigest()),
        ("name/lower-sha256/1", " ", ""),
        ("country/code/1", "gb", "GB"),
        ("country/code/1", "Germany", ""),
        ("postcode/plain/1", " sw1a 1aa", "SW1A 1AA"),
        ("postcode/plain/1", "94035-1234", "94035-1234"),
        ("postcode/plain/1", '1"}', ""),
    ],
)
def test_match_keys_are_in_the_form_googles_page_asks_for(
    duck: duckdb.DuckDBPyConnection, rule: str, value: str, sent: str
) -> None:
    """Names in lower case with their punctuation, as the formatting page and Google's own utility have it (the proto's
    comment wants none); country and postcode as they are, and nothing of what could not be one."""
    made = RULES[rule]
    assert made.apply(value) == sent
    assert duck.execute(f"SELECT {made.sql('v')} FROM (SELECT ? AS v)", [value]).fetchone() == (sent,)


@pytest.mark.parametrize("rule", sorted(RULES))
@settings(max_examples=40, deadline=None)
@given(email=CANONICAL["email"], phone=CANONICAL["phone"])
def test_a_rule_gives_the_same_in_python_and_in_sql(
    duck: duckdb.DuckDBPyConnection, rule: str, email: str, phone: str
) -> None:
    value = phone if rule.startswith("phone/") else email
    query = f"SELECT {RULES[rule].sql('v')}, {RULES[rule].sql('NULL::VARCHAR')} FROM (SELECT ? AS v)"
    assert duck.execute(query, [value]).fetchone() == (RULES[rule].apply(value), None)
