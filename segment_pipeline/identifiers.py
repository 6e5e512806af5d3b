"""Canonical forms of what identifies a person, and the versioned rules that turn them into values as sent to each tool.

Canonical values are comparable across sources and hold no vendor's taste; destinations choose among the rules. A rule never
changes under its name: a new way of hashing is a new version, which the planner sees as a re-key. No lake or ledger holds a
rule's name: members are known by their values as sent.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import idna
import phonenumbers
import pyarrow as pa

_SPACE: Final = " \t\n\r\v\f"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = rf"(?:{_LABEL}\.)+(?:[A-Za-z]{{2,63}}|[Xx][Nn]--[A-Za-z0-9-]{{1,58}}[A-Za-z0-9])"
_EMAIL: Final = rf"{_ATOM}(?:\.{_ATOM})*@{_DOMAIN}"
_ATOM_ANY: Final = "[\u00a1-\U0010ffff" + _ATOM[1:]
_LOCAL_ANY: Final = re.compile(rf"{_ATOM_ANY}(?:\.{_ATOM_ANY})*")
_DOMAIN_ONLY: Final = re.compile(_DOMAIN)
_EMAIL_LONGEST, _LOCAL_LONGEST = 254, 64

BLOCKED: Final[Mapping[str, Mapping[str, str]]] = {
    # Patterns on canonical values, by a name for the reason; the syntax is common to Python's `re` and DuckDB's RE2.
    # Data, so that a company can drop one or add its own (the shop's number) and the profiles can use them in SQL.
    "email": {
        "no_reply": r"^(no[-_.]?reply|do[-_.]?not[-_.]?reply|mailer-daemon|postmaster|bounces?)([+._-][^@]*)?@",
        "placeholder": r"^(none|null|n\.?a|unknown|anonymous|noemail|no[-_.]?email|nobody|guest|x+|a+|test|asdf|abc)@",
        "reserved_domain": r"[@.](example\.(com|net|org)|test|invalid|localhost|example)$",
    },
    "phone": {
        "repeated_digit": r"^\+[0-9]{0,4}(0{6,}|1{6,}|2{6,}|3{6,}|4{6,}|5{6,}|6{6,}|7{6,}|8{6,}|9{6,})$",
        "counting": r"^\+[0-9]{0,4}(0?12345678|123456789|1234567890)$",
    },
    "device_id": {"zeroed": r"^[0-]+$"},
}


@lru_cache(maxsize=1 << 16)
def email(raw: str | None) -> str | None:
    """Canonical e-mail: NFKC, trimmed, lower-case, domain in its ASCII form; None when unusable.

    Dots and `+tags` stay: they are part of the address, and only single destinations want them gone.
    """
    if raw is None or not (value := unicodedata.normalize("NFKC", raw).strip(_SPACE)):
        return None
    value = "".join(c for c in value if c.isascii() or unicodedata.category(c) != "Cf").lower()
    local, at, domain = value.rpartition("@")
    if not at or not _LOCAL_ANY.fullmatch(local):
        return None
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    too_long = len(local) > _LOCAL_LONGEST or len(local) + 1 + len(domain) > _EMAIL_LONGEST
    return None if too_long or not _DOMAIN_ONLY.fullmatch(domain) else f"{local}@{domain}"


def email_sql(column: str) -> str:
    """DuckDB expression equal to `email` for ASCII text; NULL for anything else.

    `column` is SQL: a quoted identifier or an expression. Non-ASCII addresses, rare, go through `emails` instead:
    DuckDB has no NFKC and lowers some letters into others.
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
_NANP: Final = re.compile(r"(\+?1[ .-]?)?\(?([2-9][0-9]{2})\)?[ .-]?([2-9][0-9]{2})[ .-]?([0-9]{4})")


@lru_cache(maxsize=1 << 17)
def phone(raw: str | None, country: str | None = None) -> str | None:
    """E.164 with `+`; `country` (ISO 3166 alpha-2) is where a national number was dialled. None when unusable.

    Numbers of a possible length pass, whether or not their range is known to be in use: numbering plans grow faster than
    any copy of them, and a number that is refused can never match. Extensions are dropped.
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
    try:
        number = phonenumbers.parse(value, region or None)
    except phonenumbers.NumberParseException:
        return None
    # Not `is_possible_number`, which takes numbers that are whole within their own town alone.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phones(values: pa.Table) -> pa.Table:
    """`phone` over distinct (`raw`, `country`) pairs; out: (`raw`, `country`, `phone`), one row per row."""
    raws, countries = values.column("raw").to_pylist(), values.column("country").to_pylist()
    found = [phone(raw, country) for raw, country in zip(raws, countries, strict=True)]
    return pa.table(
        {
            "raw": pa.array(raws, pa.string()),
            "country": pa.array(countries, pa.string()),
            "phone": pa.array(found, pa.string()),
        }
    )


def name(raw: str | None) -> str | None:
    """A name for comparison: NFKC, case-folded, accents kept, runs of space as one; None without a letter."""
    value = " ".join(unicodedata.normalize("NFKC", raw or "").casefold().split())
    return value if any(c.isalpha() for c in value) else None


def postcode(raw: str | None, country: str | None = None) -> str | None:
    """Upper-case letters and digits only; US codes as their first five digits. None when nothing usable is left."""
    value = "".join(c for c in unicodedata.normalize("NFKC", raw or "").upper() if c.isascii() and c.isalnum())
    if (country or "").strip().upper() == "US":
        value = value[:5] if re.fullmatch(r"[0-9]{5}(?:[0-9]{4})?", value) else ""
    return value if any(c.isdigit() for c in value) and len(value) <= 10 else None


def device_id(raw: str | None) -> str | None:
    """Lower-case, trimmed advertising or device id; None when empty or zeroed, which is how devices say `do not track`."""
    value = (raw or "").strip().lower()
    return value if value.strip("0-") else None


@dataclass(frozen=True, slots=True)
class Rule:
    """How destinations may want a canonical value: `apply` in Python and `sql` in DuckDB give the same text.

    NULL in, NULL out. `sql` takes SQL: a quoted column or an expression of a canonical value.
    """

    apply: Callable[[str], str]
    template: str = field(default="{column}")

    def sql(self, column: str) -> str:
        return self.template.replace("{column}", column)


def _plain(value: str) -> str:
    return value


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _sha256_digits(value: str) -> str:
    return _sha256(value.removeprefix("+"))


# By kind of identifier, form and version; destinations choose. `sha256`: of the canonical value, in lower-case hex.
RULES: Final[Mapping[str, Rule]] = {
    "email/plain/1": Rule(_plain),
    "email/sha256/1": Rule(_sha256, "sha256({column})"),
    "external_id/plain/1": Rule(_plain),
    "phone/plain/1": Rule(_plain),
    "phone/sha256/1": Rule(_sha256, "sha256({column})"),
    # Of the digits with the country code, without the `+`.
    "phone/digits-sha256/1": Rule(_sha256_digits, "sha256(ltrim({column}, '+'))"),
}
