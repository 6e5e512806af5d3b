"""Canonical forms of what identifies a person, and the versioned rules that turn them into values as sent to each tool.

Canonical values are comparable across sources and hold no vendor's taste; destinations choose among the rules. A rule never
changes under its name: a new way of hashing is a new version, which the planner sees as a re-key. No lake or ledger holds a
rule's name: members are known by their values as sent.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import idna
import phonenumbers
import pyarrow as pa

from segment_pipeline.match_keys import MATCH_KEYS, Rule, sha256

_SPACE: Final = " \t\n\r\v\f"
# What is left around addresses and ids that were copied or typed: ends of sentences, quotes, brackets.
_STRAY: Final = _SPACE + "\"'`,;:()[]<>\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2039\u203a\u00ab\u00bb\u3001\u3002"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_FIRST: Final = r"[A-Za-z0-9!#$%&*+/=?^_{|}~-]"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = rf"(?:{_LABEL}\.)+(?:[A-Za-z]{{2,63}}|[Xx][Nn]--[A-Za-z0-9-]{{1,58}}[A-Za-z0-9])"
_EMAIL: Final = rf"{_FIRST}{_ATOM[:-1]}*(?:\.{_ATOM})*@{_DOMAIN}"
_IN_BRACKETS: Final = re.compile(rf"[^<>]*<([^<>]*)>[{re.escape(_STRAY)}.]*")
_ATOM_ANY: Final = "[\u00a1-\U0010ffff" + _ATOM[1:]
_LOCAL_ANY: Final = re.compile(rf"{_ATOM_ANY}(?:\.{_ATOM_ANY})*")
_DOMAIN_ONLY: Final = re.compile(_DOMAIN)
_EMAIL_LONGEST, _LOCAL_LONGEST = 254, 64

# What programs and people write into an id where there is none. `(?i:…)`: as Python, RE2 and Java spell it. Brackets, quotes and
# invisible characters around it say nothing, nor does one more of it; a template's mark stayed where no value came.
_INVISIBLE: Final = "\u00a0\u00ad\u180e\u200b-\u200f\u2007\u202f\u2060\u3000\ufeff"
_AROUND: Final = rf"[\s{_INVISIBLE}\"'`<>(){{}}\[\]#]*"
_NO_ONE: Final = (
    r"undefined|null|nil|none|nan|n[./\\]?a\.?|test(er)?|true|false|-1(\.0+)?|-+|\?+|id|distinct_?id|user_?id|email"
    r"|not[ _-]?(set|available|applicable|known|provided|given|specified|found|authenticated|logged[ _-]?in|identified)|object|void"
    r"|(unknown|anon|anonymous|guest|nobody|test|no|empty|default|missing|null|undefined)[ _.-]?(user|customer|visitor|client|account|id|value)?"
    r"|(null|undefined){2,}|unbekannt|anonym|gast|user|customer|visitor|ref!|value!|name\?|f{8}(-?f{4}){3}-?f{12}"
)
_NOBODY: Final = rf"^{_AROUND}(?i:{_NO_ONE})([ _.,:;|/+-]+(?i:{_NO_ONE}))*{_AROUND}$"
_TEMPLATE: Final = r"^[\s\"']*(\{\{.*\}\}|[$#]\{.*\}|\[\[.*\]\]|<%.*%>|\*\|.*\|\*|%%?[A-Za-z][A-Za-z0-9_. ]*%%?|\$[A-Za-z]+[_.]?id)[\s\"']*$"
_BLANK: Final = rf"^{_AROUND}$"
_ZEROED: Final = rf"^{_AROUND}[0-]+(\.0+)?{_AROUND}$"
_TAG: Final = r"(\+[^@]*)?"
# What people type where an address is asked for, at any domain; at a mail provider's; and before and after the @ alike.
_NO_ADDRESS: Final = (
    r"none|null|undefined|unknown|anonymous|anonym|nobody|no[-_.]one|no[-_.]?e?-?mail|keine?([-_.]?e?-?mail)?|noaddress"
    r"|not[-_.]?(provided|given|available|applicable|known)|fake([-_.]?e?-?mail)?|dummy|placeholder|asdf+|asdfgh[a-z]*|qwerty|x{3,}|a{3,}"
    r"|test(er|ing)?([-_.]?(e?-?mail|user|account))?"
)
_NOBODYS_NAME: Final = (
    r"no|nope|na|n\.a|abcd?|abc123|xyz|asd|qwe|guest|gast|user|username|name|your[-_.]?(name|e?-?mail)|e?-?mail|me|you|customer|kunde|client"
    r"|example|sample|someone|somebody|declined?|refused?|nein|ohne|noname|[a-z]|aa|bb|xx|zz|0+|1+|123+4?5?6?7?8?9?"
)
_PROVIDER: Final = (
    r"((gmail|googlemail|ymail|msn|icloud|me|aol|att|comcast|verizon|sbcglobal|protonmail|qq|163|126)\.com"
    r"|(yahoo|hotmail|outlook|live|gmx|mail|e-?mail|proton|yandex|orange)\.(com|net|org|de|at|ch|fr|it|es|nl|be|ru|me|co\.uk|com\.[a-z]{2})"
    r"|(web|t-online|freenet)\.de|(free|laposte|wanadoo)\.fr|libero\.it|bluewin\.ch)"
)
_SAME: Final = "|".join(
    rf"{word}{_TAG}@{word}\."
    for word in (
        "no none nope nein nee nothing null na fake fakeemail test tests tester testing dummy sample temp asd asdf qwe qwerty abc abcd xyz email mail"
        " noemail nomail noname nobody unknown anonymous guest user customer name me you decline declined refuse refused ohne keine kein fehlt"
        " a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb xx aaa xxx 1 12 123 1234 12345 123456"
    ).split()
)
_NAMES_NOBODY: Final = {"blank": _BLANK, "zeroed": _ZEROED, "placeholder": _NOBODY, "template": _TEMPLATE}
BLOCKED: Final[Mapping[str, Mapping[str, str]]] = {
    # Patterns on canonical values, by a name for the reason; the syntax is common to Python's `re` and DuckDB's RE2.
    # Data, so that a company can drop one or add its own (the shop's number) and the profiles can use them in SQL.
    "email": {
        "no_reply": r"^((no|do?[-_.]?not|don'?t|nicht|ne[-_.]?pas)[-_.]?(reply|respond|antworten|repondre)|mailer-daemon|postmaster|bounces?)[0-9]*([+._-][^@]*)?@",
        "placeholder": rf"^(({_NO_ADDRESS})[0-9]*{_TAG}@|({_NOBODYS_NAME}){_TAG}@{_PROVIDER}$|{_SAME})",
        "placeholder_domain": r"@((no|none|fake|test|null|invalid|noemail|no-email|nomail|noreply|no-reply|yourdomain|mydomain|domain"
        r"|youremail|youraddress|somewhere|nowhere|placeholder|asdf|asdfasdf)\.(com|net|org|de|co|io|email))$",
        "reserved_domain": r"[@.](example\.(com|net|org)|test|invalid|localhost|example)$",
    },
    "phone": {
        "repeated_digit": r"^\+[0-9]{0,4}(0{6,}|1{6,}|2{6,}|3{6,}|4{6,}|5{6,}|6{6,}|7{6,}|8{6,}|9{6,})$",
        "counting": r"^\+[0-9]{0,4}(0?12345678|123456789|1234567890)$",
    },
    "device_id": _NAMES_NOBODY,
    "loyalty_id": _NAMES_NOBODY,
    "customer_key": _NAMES_NOBODY,
}


# Addresses of an office, not of a person: who they belong to they do not tell, but mail reaches them.
ROLES: Final[Mapping[str, Mapping[str, str]]] = {
    "email": {
        "role": r"^(info|office|kontakt|contact|sales|verkauf|einkauf|support|service|kundenservice|admin|administrator|webmaster|hostmaster"
        r"|reception|rezeption|empfang|zentrale|sekretariat|kasse|till|guest|gast|buchhaltung|accounting|billing|rechnung(en)?"
        rf"|orders?|bestellung(en)?|n\.?a|no|abc|a{{1,2}}|x{{1,2}}){_TAG}@",
    },
}
# Domains that nobody has: mail to them reaches nobody, though people told apart by them are.
UNREACHABLE: Final[Mapping[str, str]] = {"reserved_domain": r"[@.](example\.(com|net|org)|invalid|localhost)$"}


@lru_cache(maxsize=1 << 16)
def email(raw: str | None) -> str | None:
    """Canonical e-mail: NFKC, lower-case, without what was copied along, domain in its ASCII form; None when unusable.

    Copied along are `mailto:`, a name before an address in angle brackets, and quotes, commas and full stops at the ends.
    Dots and `+tags` inside stay: they are part of the address, and only single destinations want them gone.
    """
    if raw is None or not (value := unicodedata.normalize("NFKC", raw).strip(_SPACE)):
        return None
    value = "".join(c for c in value if c.isascii() or unicodedata.category(c) != "Cf").lower()
    local, at, domain = _bare(value).rpartition("@")
    if not at or not _LOCAL_ANY.fullmatch(local):
        return None
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    too_long = len(local) > _LOCAL_LONGEST or len(local) + 1 + len(domain) > _EMAIL_LONGEST
    return None if too_long or not _DOMAIN_ONLY.fullmatch(domain) else f"{local}@{domain}"


def _bare(value: str) -> str:
    if found := _IN_BRACKETS.fullmatch(value):
        value = found[1]
    value = value.lstrip(_STRAY)
    if value.startswith("mailto:"):
        value = value.removeprefix("mailto:").partition("?")[0].lstrip(_STRAY)
    return value.rstrip(_STRAY + ".")


def email_sql(column: str) -> str:
    """DuckDB expression equal to `email` for addresses in plain ASCII; NULL for anything else.

    `column` is SQL: a quoted identifier or an expression. Addresses beyond ASCII, or with something copied along, are rare and
    go through `emails` instead: DuckDB has no NFKC and lowers some letters into others.
    """
    trimmed = f"trim({column}, {_sql_text(_SPACE)})"
    return (
        f"CASE WHEN regexp_full_match({trimmed}, {_sql_text(_EMAIL)})"
        f" AND length({trimmed}) <= {_EMAIL_LONGEST} AND strpos({trimmed}, '@') <= {_LOCAL_LONGEST + 1}"
        f" THEN lower({trimmed}) END"
    )


def _sql_text(value: str) -> str:
    pieces = re.split(r"([\x00-\x1f])", value)
    return " || ".join(f"chr({ord(p)})" if p < " " else "'" + p.replace("'", "''") + "'" for p in pieces if p).join(
        "()"
    )


def emails(values: pa.Table) -> pa.Table:
    """`email` over a table of distinct values: `raw` in, (`raw`, `email`) out, one row per row."""
    raws = values.column("raw").to_pylist()
    return pa.table({"raw": pa.array(raws, pa.string()), "email": pa.array(map(email, raws), pa.string())})


# Plain North American numbers, most of those there are: the same answer as the library's, twenty times sooner.
# An extension in words the library does not know, whose digits it would take for more of the number.
_WORD_WITHIN: Final = re.compile(r"\d.*[^\W\d_].*\d")
_POSSIBLE: Final = phonenumbers.ValidationResult.IS_POSSIBLE
_NANP: Final = re.compile(r"(\+?1[ .-]?)?\(?([2-9][0-9]{2})\)?[ .-]?([2-9][0-9]{2})[ .-]?([0-9]{4})")


@lru_cache(maxsize=1 << 17)
def phone(raw: str | None, country: str | None = None) -> str | None:
    """E.164 with `+`; `country` (ISO 3166 alpha-2) is where a national number was dialled. None when unusable.

    Numbers of a possible length pass, whether or not their range is known to be in use: numbering plans grow faster than
    any copy of them, and a number that is refused can never match. A number with an extension is one desk of a switchboard,
    which no tool can reach by it and which others share: it is unusable. Where no country is known, digits that begin with a
    country's code are read as if they had the `+`: eleven that begin with 1 as a North American number, others where that is a
    number in use and no North American one without its 1.
    """
    if raw is None or not (value := unicodedata.normalize("NFKC", raw).strip()):
        return None
    region = (country or "").strip().upper()
    if (region in {"US", "CA"} or value.startswith("+1")) and (parts := _NANP.fullmatch(value)):
        return f"+1{parts[2]}{parts[3]}{parts[4]}"
    return _parsed_phone(value, "GB" if region == "UK" else region)


def _parsed_phone(value: str, region: str) -> str | None:
    if region not in phonenumbers.SUPPORTED_REGIONS:
        region = ""
        value = "+" + value[2:] if value.startswith("00") else value
    number = None if _WORD_WITHIN.search(value) else _read(value, region)
    if number is None and not region:
        number = _without_plus(value)
    # Not `is_possible_number`, which takes numbers that are whole within their own town alone.
    if number is None or phonenumbers.is_possible_number_with_reason(number) != _POSSIBLE:
        return None
    return None if number.extension else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _read(value: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(value, region or None)
    except phonenumbers.NumberParseException:
        return None


def _without_plus(value: str) -> phonenumbers.PhoneNumber | None:
    number = _read(f"+{value}", "")
    if number is None:
        return None
    if number.country_code == 1:
        return number if _NANP.fullmatch(value) else None
    at_home = _read(value, "US")
    taken = at_home is not None and phonenumbers.is_valid_number(at_home)
    return number if phonenumbers.is_valid_number(number) and not taken else None


def phones(values: pa.Table, default: str | None = None) -> pa.Table:
    """`phone` over distinct (`raw`, `country`) pairs; out: (`raw`, `country`, `phone`), one row per row.

    `default`: where numbers were dialled whose pair has no country; what is no number there is read as of no known country.
    """
    raws, countries = values.column("raw").to_pylist(), values.column("country").to_pylist()
    found = [
        phone(raw, country) if (country or "").strip() else phone(raw, default) or phone(raw)
        for raw, country in zip(raws, countries, strict=True)
    ]
    return pa.table(
        {
            "raw": pa.array(raws, pa.string()),
            "country": pa.array(countries, pa.string()),
            "phone": pa.array(found, pa.string()),
        }
    )


_NAME: Final = r"[A-Za-z .,'-]*[A-Za-z][A-Za-z .,'-]*"
_MARKS: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bb\u02bc\u2032`\u00b4", "'")
    | dict.fromkeys("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d", " ")
)


def name(raw: str | None) -> str | None:
    """A name for comparison: NFKC, case-folded, accents kept, one apostrophe for all kinds, hyphens and runs of space as one
    space; None without a letter."""
    value = unicodedata.normalize("NFKC", (raw or "").translate(_MARKS)).casefold()
    value = " ".join("".join(c for c in value if unicodedata.category(c) != "Cf").split())
    return value if any(c.isalpha() for c in value) else None


def name_sql(column: str) -> str:
    """Expression equal to `name` for names in plain ASCII; NULL for anything else, which goes through `names` instead."""
    spaced = f"trim(regexp_replace({column}, '[ -]+', ' ', 'g'))"
    return f"CASE WHEN regexp_full_match({column}, {_sql_text(_NAME)}) THEN lower({spaced}) END"


def names(values: pa.Table) -> pa.Table:
    """`name` over a table of distinct values: `raw` in, (`raw`, `name`) out, one row per row."""
    raws = values.column("raw").to_pylist()
    return pa.table({"raw": pa.array(raws, pa.string()), "name": pa.array(map(name, raws), pa.string())})


def postcode(raw: str | None, country: str | None = None) -> str | None:
    """Upper-case letters and digits only; US codes as their first five digits. None when nothing usable is left."""
    value = "".join(c for c in unicodedata.normalize("NFKC", raw or "").upper() if c.isascii() and c.isalnum())
    if (country or "").strip().upper() == "US":
        value = value[:5] if re.fullmatch(r"[0-9]{5}(?:[0-9]{4})?", value) else ""
    return value if any(c.isdigit() for c in value) and len(value) <= 10 else None


def device_id(raw: str | None) -> str | None:
    """Lower-case, trimmed advertising or device id; None when empty, a placeholder, or zeroed: so devices say `do not track`."""
    value = (raw or "").strip().lower()
    return None if any(re.search(pattern, value) for pattern in BLOCKED["device_id"].values()) else value


def _plain(value: str) -> str:
    return value


def _sha256_digits(value: str) -> str:
    return sha256(value.removeprefix("+"))


def _sha256_gmail(value: str) -> str:
    local, _, domain = value.partition("@")
    short = local.partition("+")[0].replace(".", "")
    return sha256(f"{short}@{domain}" if short and domain in _GMAIL else value)


_GMAIL: Final = ("gmail.com", "googlemail.com")
_GMAIL_LOCAL: Final = "replace(split_part(split_part({column}, '@', 1), '+', 1), '.', '')"


# By kind of identifier, form and version; destinations choose. `sha256`: of the canonical value, in lower-case hex.
RULES: Final[Mapping[str, Rule]] = {
    # What stands in a person's profile, as it stands there.
    "text/plain/1": Rule(_plain),
    "email/plain/1": Rule(_plain),
    "email/sha256/1": Rule(sha256, "sha256({column})"),
    # Of Gmail's addresses without dots and what follows a `+`, which reach the same person.
    "email/gmail-sha256/1": Rule(
        _sha256_gmail,
        f"sha256(CASE WHEN split_part({{column}}, '@', 2) IN {_GMAIL} AND {_GMAIL_LOCAL} <> ''"
        f" THEN {_GMAIL_LOCAL} || '@' || split_part({{column}}, '@', 2) ELSE {{column}} END)",
    ),
    "external_id/plain/1": Rule(_plain),
    "user_id/plain/1": Rule(_plain),
    "phone/plain/1": Rule(_plain),
    "phone/sha256/1": Rule(sha256, "sha256({column})"),
    # Of the digits with the country code, without the `+`.
    "phone/digits-sha256/1": Rule(_sha256_digits, "sha256(ltrim({column}, '+'))"),
    **MATCH_KEYS,
}
