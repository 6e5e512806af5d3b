"""Identifiers as they are sent: the vendors' own vectors and code, Python against DuckDB."""

import hashlib
from datetime import date

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


AGREED = {
    "FN": ("name/letters-sha256/1", st.from_regex(r"[A-Za-z][A-Za-z' .-]{0,12}", fullmatch=True)),
    "LN": ("name/letters-sha256/1", st.from_regex(r"[A-Za-z][A-Za-z' .-]{0,12}", fullmatch=True)),
    "FI": ("name/initial-sha256/1", st.from_regex(r"[A-Za-z]\.?", fullmatch=True)),
    "CT": ("city/latin-sha256/1", st.from_regex(r"[A-Za-z][A-Za-z' .-]{0,12}", fullmatch=True)),
    "ST": ("state/latin-sha256/1", st.sampled_from(["US-CA", "US-ny", "US-Tx", "DE-Bavaria", "CA-British Columbia", "-FL"])),
    "ZIP": ("postcode/short-sha256/1", st.from_regex(r"[0-9]{5}(-[0-9]{4})?", fullmatch=True)),
    "COUNTRY": ("country/letters-sha256/1", st.sampled_from(["US", "de", "GB"])),
    "DOBY": ("birth_date/year-sha256/1", st.dates(date(1900, 1, 1), date(2026, 1, 1)).map(str)),
    "DOBM": ("birth_day/month-sha256/1", st.dates().map("{:%m-%d}".format)),
    "DOBD": ("birth_day/day-sha256/1", st.dates().map("{:%m-%d}".format)),
    "GEN": ("gender/letter-sha256/1", st.sampled_from(["female", "male"])),
}  # fmt: skip
# What of a value of ours the SDK is given: it hashes single values, as its caller has them.
PART = {
    "ST": lambda value: value.partition("-")[2],
    "DOBY": lambda value: value[:4],
    "DOBM": lambda value: value[:2],
    "DOBD": lambda value: value[3:],
}


def by_sdk(key: str, value: str) -> str:
    """What Meta's own SDK (facebook-business) sends of a value."""
    payload = CustomAudience.format_params([key], [[value]], is_raw=True)
    return str(payload["payload"]["data"][0][0])


@pytest.mark.parametrize("key", sorted(AGREED))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_metas_match_keys_agree_with_metas_own_code(key: str, data: st.DataObject) -> None:
    """On plain letters and digits; where the SDK and the page disagree, the page wins (below)."""
    rule, values = AGREED[key]
    value = data.draw(values.filter(lambda text: by_sdk(key, text) != sha256("")))
    assert RULES[rule].apply(value) == by_sdk(key, PART.get(key, str)(value))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


PAGE = "Customer File Custom Audiences, 2026-04-28"
# Each with what Meta's page asks for: key, what we hold, what is hashed, the page's words.
VECTORS = [
    ("FN", "O'Neil-Smith Jr.", "oneilsmithjr", "a-z only, lowercase, no punctuation"),
    ("FN", "Zo\u00eb", "zo\u00eb", "special characters in UTF-8"),
    ("LN", "\uc815", "\uc815", "special characters in UTF-8"),
    ("LN", "Smith", "smith", "lowercase"),
    ("FI", "Mary", "m", "first letter of the first name"),
    ("FI", " 'Ann", "a", "a-z only"),
    ("FI", "\u00c9lodie", "\u00e9", "special characters in UTF-8"),
    ("FI", "12", None, "a-z only"),
    ("CT", "New York", "newyork", "no white space"),
    ("CT", "St. Louis", "stlouis", "no punctuation"),
    ("CT", "S\u00e3o Paulo", "saopaulo", "a-z only, no special characters"),
    ("CT", "M\u00dcNCHEN", "munchen", "a-z only, no special characters"),
    ("CT", "Gie\u00dfen", "giessen", "a-z only, no special characters"),
    ("CT", "\u0141\u00f3d\u017a", "lodz", "a-z only, no special characters"),
    ("CT", "\u6771\u4eac", None, "a-z only"),
    ("CT", "Berlin 10115", "berlin", "a-z only"),
    ("ST", "US-CA", "ca", "2-character ANSI abbreviation, lowercase"),
    ("ST", "US-California", "ca", "2-character ANSI abbreviation, lowercase"),
    ("ST", "US-New York", "ny", "2-character ANSI abbreviation, lowercase"),
    ("ST", "US-D.C.", "dc", "2-character ANSI abbreviation, lowercase"),
    ("ST", "US-District of Columbia", "dc", "2-character ANSI abbreviation, lowercase"),
    ("ST", "US-Kalifornien", None, "2-character ANSI abbreviation"),
    ("ST", "US-", None, "an empty value for what is not known"),
    ("ST", "-Texas", "tx", "2-character ANSI abbreviation, lowercase"),
    ("ST", "-Bayern", "bayern", "outside the US: lowercase, no punctuation, no space"),
    ("ST", "CA-Qu\u00e9bec", "quebec", "outside the US: no special characters"),
    ("ST", "UY-Florida", "florida", "outside the US: lowercase"),
    ("ST", "IT-CA", "ca", "outside the US: lowercase"),
    ("ZIP", "94035-1234", "94035", "first five digits for the US"),
    ("ZIP", "SW1A 1AA", "sw1a1", "area, district and sector for the UK"),
    ("ZIP", "1234 AB", "1234ab", "lowercase, no white space"),
    ("COUNTRY", "US", "us", "2-letter ISO 3166-1 alpha-2, lowercase"),
    ("DOBY", "1986-02-09", "1986", "YYYY"),
    ("DOBY", "1900-01-01", "1900", "from 1900"),
    ("DOBY", "1899-12-31", None, "from 1900"),
    ("DOBY", "0001-05-09", None, "from 1900"),
    ("DOBM", "02-09", "02", "MM: 01 to 12"),
    ("DOBM", "12-31", "12", "MM: 01 to 12"),
    ("DOBM", "13-01", None, "MM: 01 to 12"),
    ("DOBM", "2-9", None, "MM: 01 to 12"),
    ("DOBD", "02-09", "09", "DD: 01 to 31"),
    ("DOBD", "12-31", "31", "DD: 01 to 31"),
    ("DOBD", "12-32", None, "DD: 01 to 31"),
    ("GEN", "female", "f", "m or f"),
    ("GEN", "male", "m", "m or f"),
    ("GEN", "other", None, "m or f"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "hashed", "words"), VECTORS)
def test_match_keys_are_in_the_form_metas_page_asks_for(
    duck: duckdb.DuckDBPyConnection, key: str, value: str, hashed: str | None, words: str
) -> None:
    made, expected = RULES[AGREED[key][0]], sha256(hashed) if hashed else ""
    assert made.apply(value) == expected, (PAGE, words)
    assert duck.execute(f"SELECT {made.sql('v')} FROM (SELECT ? AS v)", [value]).fetchone() == (expected,)


@pytest.mark.parametrize(
    ("key", "value", "sdk"),
    [
        ("FN", "Zo\u00eb", "zo"),
        ("FI", "\u00c9lodie", "lodie"),
        ("CT", "S\u00e3o Paulo", "sopaulo"),
        ("CT", "M\u00dcNCHEN", "mnchen"),
        ("ST", "US-California", "california"),
        ("ZIP", "SW1A 1AA", "sw1a 1aa"),
        ("GEN", "other", "o"),
    ],
)
def test_where_the_sdk_and_the_page_disagree_the_page_wins(key: str, value: str, sdk: str) -> None:
    """The SDK drops letters beyond a to z and abbreviates nothing: what it hashes is not what the page asks for."""
    assert by_sdk(key, PART.get(key, str)(value)) == sha256(sdk)
    assert RULES[AGREED[key][0]].apply(value) != sha256(sdk)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("US-CA", "US-CA"),
        ("US-california", "US-CA"),
        ("-CA", "US-CA"),
        ("IT-CA", "IT"),
        ("DE-", "DE"),
        ("US-", "US"),
        ("US-Kalifornien", "US"),
        ("-Bayern", "ZZ"),
        ('"}-CA', "ZZ"),
        ("-", "ZZ"),
    ],
)
def test_a_state_is_of_the_us_or_of_no_matter(duck: duckdb.DuckDBPyConnection, value: str, sent: str) -> None:
    """Cagliari is no California; where no country is known, two letters of a state are one of the US."""
    made = RULES["state/iso/1"]
    assert made.apply(value) == sent
    assert duck.execute(f"SELECT {made.sql('v')} FROM (SELECT ? AS v)", [value]).fetchone() == (sent,)


def test_a_year_of_birth_is_read_from_a_date(duck: duckdb.DuckDBPyConnection) -> None:
    found = duck.execute(f"SELECT {RULES['birth_date/year-sha256/1'].sql('v')} FROM (SELECT DATE '1986-02-09' AS v)")
    assert found.fetchone() == (sha256("1986"),)


PLACES = st.text(st.sampled_from("aZ\u00e4\u00d8\u00df\u0153\u0133\u0130\u0131\u1e9e\u0301\u6771-. '1US"), max_size=8)


@pytest.mark.parametrize(
    "rule", ["city/latin-sha256/1", "state/latin-sha256/1", "state/iso/1", "name/initial-sha256/1"]
)
@settings(max_examples=100, deadline=None)
@given(value=PLACES)
def test_a_places_letters_are_the_same_in_python_and_in_sql(
    duck: duckdb.DuckDBPyConnection, rule: str, value: str
) -> None:
    assert duck.execute(f"SELECT {RULES[rule].sql('v')} FROM (SELECT ? AS v)", [value]).fetchone() == (
        RULES[rule].apply(value),
    )


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
