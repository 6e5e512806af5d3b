"""What ad platforms match people better by, beside what identifies them: names, places, a birthday, as each rule sends them.

A rule gives the empty text where nothing is left that a platform would take. Its name never changes what it does: another way is
another version. Knows no platform.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """How destinations may want a canonical value: `apply` in Python and `sql` in DuckDB give the same text.

    NULL in, NULL out. `sql` takes SQL: a quoted column or an expression of a canonical value; dates are given to `apply` as text.
    """

    apply: Callable[[str], str]
    template: str = field(default="{column}")

    def sql(self, column: str) -> str:
        return self.template.replace("{column}", column)


def sha256(value: str) -> str:
    """In lower-case hex."""
    return hashlib.sha256(value.encode()).hexdigest()


def _hashed(value: str) -> str:
    return sha256(value) if value else ""


def _unless_empty(normal: str) -> str:
    return f"CASE WHEN {normal} <> '' THEN sha256({normal}) WHEN {{column}} IS NOT NULL THEN '' END"


def _if_matched(pattern: str, normal: str) -> str:
    """`normal` where it matches, the empty text where it does not: such a value needs no escape in any request."""
    return f"CASE WHEN regexp_full_match({normal}, '{pattern}') THEN {normal} WHEN {{column}} IS NOT NULL THEN '' END"


def _one_of(known: Mapping[str, str]) -> str:
    """The branches of a CASE."""
    return " ".join(f"WHEN '{value}' THEN '{sent}'" for value, sent in known.items())


def _letters(value: str) -> str:
    return "".join(c for c in value.lower() if c.isalpha())


_LETTERS: Final = "regexp_replace(lower({column}), '[^\\p{L}]', '', 'g')"


def _lower(value: str) -> str:
    return value.strip(" ").lower()


def _country(value: str) -> str:
    return value.upper() if re.fullmatch("[A-Za-z]{2}", value) else ""


def _postcode(value: str) -> str:
    trimmed = value.strip(" ").upper()
    return trimmed if re.fullmatch(_POSTCODE_TEXT, trimmed) else ""


_POSTCODE_TEXT: Final = "[A-Z0-9][A-Z0-9 -]{1,9}"


def _short_postcode(value: str) -> str:
    short = value.lower().partition("-")[0].replace(" ", "")
    return short[:-2] if _UK_POSTCODE.fullmatch(short) else short


_UK_UNIT: Final = "[a-z]{1,2}[0-9][a-z0-9]?[0-9][a-z]{2}"
_UK_POSTCODE: Final = re.compile(_UK_UNIT)
_SHORT_POSTCODE: Final = "replace(split_part(lower({column}), '-', 1), ' ', '')"

# Small letters of Europe with a mark, and the letter of a to z they are without it; some are two letters.
_MARKS: Final = {
    c: apart[0]
    for c in map(chr, range(0xDF, 0x180))
    for apart in [unicodedata.normalize("NFD", c)]
    if c.islower() and len(apart) == 2
} | {"\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u0131": "i"}
_TWO: Final = {"\u00df": "ss", "\u00e6": "ae", "\u0153": "oe", "\u0133": "ij"}
_PLAIN: Final = {ord(letter): letters for letter, letters in (_MARKS | _TWO).items()}


def _latin(value: str) -> str:
    """A place's letters as a to z; nothing of one that needs others."""
    lowered = value.lower().translate(_PLAIN)
    letters = "".join(c for c in lowered if c.isalpha())
    return letters if re.fullmatch("[a-z]+", letters) else ""


def _latin_sql(column: str) -> str:
    text = f"lower({column})"
    for letter, letters in _TWO.items():
        text = f"replace({text}, '{letter}', '{letters}')"
    return (
        f"regexp_replace(translate({text}, '{''.join(_MARKS)}', '{''.join(_MARKS.values())}'), '[^\\p{{L}}]', '', 'g')"
    )


# How a state of the US is written, in letters, and its two letters.
_STATES: Final = {
    written: code
    for code, *names in (
        state.split()
        for state in (
            "al alabama,ak alaska,az arizona,ar arkansas,ca california,co colorado,ct connecticut,de delaware,fl florida,ga georgia,"
            "hi hawaii,id idaho,il illinois,in indiana,ia iowa,ks kansas,ky kentucky,la louisiana,me maine,md maryland,ma massachusetts,"
            "mi michigan,mn minnesota,ms mississippi,mo missouri,mt montana,ne nebraska,nv nevada,nh newhampshire,nj newjersey,"
            "nm newmexico,ny newyork,nc northcarolina,nd northdakota,oh ohio,ok oklahoma,or oregon,pa pennsylvania,ri rhodeisland,"
            "sc southcarolina,sd southdakota,tn tennessee,tx texas,ut utah,vt vermont,va virginia,wa washington,wv westvirginia,"
            "wi wisconsin,wy wyoming,dc districtofcolumbia washingtondc,pr puertorico,gu guam,vi virginislands usvirginislands,"
            "as americansamoa,mp northernmarianaislands,aa,ae,ap"
        ).split(",")
    )
    for written in (code, *names)
}


def _apart(value: str) -> tuple[str, str, str]:
    """The country of a state, its letters as a to z, and its two letters where it is or may be one of the US."""
    country, letters = value.partition("-")[0], _latin(value[value.find("-") + 1 :])
    return country, letters, _STATES.get(letters, "") if country in {"US", ""} else ""


def _state(value: str) -> str:
    country, letters, of_us = _apart(value)
    return of_us or (letters if country != "US" else "")


def _iso_state(value: str) -> str:
    country, _, of_us = _apart(value)
    if of_us:
        return f"US-{of_us.upper()}"
    return country if re.fullmatch("[A-Z]{2}", country) else "ZZ"


_COUNTRY_OF: Final = "split_part({column}, '-', 1)"
_STATE_LETTERS: Final = _latin_sql("substr({column}, strpos({column}, '-') + 1)")
_KNOWN: Final = "".join(f" {written}={code}" for written, code in _STATES.items())
_CODE: Final = f"split_part(split_part('{_KNOWN} ', ' ' || {_STATE_LETTERS} || '=', 2), ' ', 1)"
_OF_US: Final = f"CASE WHEN {_COUNTRY_OF} IN ('US', '') THEN {_CODE} ELSE '' END"
_STATE: Final = (
    f"CASE WHEN {_OF_US} <> '' THEN {_OF_US} WHEN {_COUNTRY_OF} <> 'US' AND regexp_full_match({_STATE_LETTERS}, '[a-z]+')"
    f" THEN {_STATE_LETTERS} ELSE '' END"
)
_ISO_STATE: Final = (
    f"CASE WHEN {_OF_US} <> '' THEN 'US-' || upper({_OF_US}) WHEN regexp_full_match({_COUNTRY_OF}, '[A-Z]{{2}}')"
    f" THEN {_COUNTRY_OF} WHEN {{column}} IS NOT NULL THEN 'ZZ' END"
)


def _part(pattern: str, first: int, last: int) -> Rule:
    """The hash of some characters of a value of a pattern."""
    text = "CAST({column} AS VARCHAR)"
    normal = (
        f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN substr({text}, {first + 1}, {last - first}) ELSE '' END"
    )
    return Rule(lambda value: _hashed(value[first:last] if re.fullmatch(pattern, value) else ""), _unless_empty(normal))


_GENDERS: Final = {"female": "f", "male": "m"}
_BIRTH_DATE: Final = "(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}"
_BIRTH_DAY: Final = "(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"

# By what it is of, form and version. `state`: a country and a region of it, `US-CA`, either of them empty where it is not known.
MATCH_KEYS: Final[Mapping[str, Rule]] = {
    # Letters alone, in lower case; of a name the first of them.
    "name/letters-sha256/1": Rule(lambda value: _hashed(_letters(value)), _unless_empty(_LETTERS)),
    "name/initial-sha256/1": Rule(lambda value: _hashed(_letters(value)[:1]), _unless_empty(f"left({_LETTERS}, 1)")),
    "country/letters-sha256/1": Rule(lambda value: _hashed(_letters(value)), _unless_empty(_LETTERS)),
    # As it is written, in lower case: apostrophes, hyphens and spaces stay.
    "name/lower-sha256/1": Rule(lambda value: _hashed(_lower(value)), _unless_empty("lower(trim({column}))")),
    "country/code/1": Rule(_country, _if_matched("[A-Za-z]{2}", "upper({column})")),
    "postcode/plain/1": Rule(_postcode, _if_matched(_POSTCODE_TEXT, "upper(trim({column}))")),
    # Without spaces, of the US the first five digits, of the UK area, district and sector.
    "postcode/short-sha256/1": Rule(
        lambda value: _hashed(_short_postcode(value)),
        _unless_empty(
            f"CASE WHEN regexp_full_match({_SHORT_POSTCODE}, '{_UK_UNIT}')"
            f" THEN left({_SHORT_POSTCODE}, length({_SHORT_POSTCODE}) - 2) ELSE {_SHORT_POSTCODE} END"
        ),
    ),
    # Letters a to z alone, marks taken off them.
    "city/latin-sha256/1": Rule(
        lambda value: _hashed(_latin(value)),
        _unless_empty(f"CASE WHEN regexp_full_match({_latin_sql('{column}')}, '[a-z]+') THEN {_latin_sql('{column}')} ELSE '' END"),
    ),
    # Two letters of the US, elsewhere as a city.
    "state/latin-sha256/1": Rule(lambda value: _hashed(_state(value)), _unless_empty(_STATE)),
    # `US-CA`; the country alone where it is another, or no state of it is known; `ZZ` where neither is.
    "state/iso/1": Rule(_iso_state, _ISO_STATE),
    "gender/letter-sha256/1": Rule(
        lambda value: _hashed(_GENDERS.get(value, "")),
        _unless_empty(f"CASE {{column}} {_one_of(_GENDERS)} ELSE '' END"),
    ),
    "birth_date/year-sha256/1": _part(_BIRTH_DATE, 0, 4),
    "birth_day/month-sha256/1": _part(_BIRTH_DAY, 0, 2),
    "birth_day/day-sha256/1": _part(_BIRTH_DAY, 3, 5),
}  # fmt: skip
