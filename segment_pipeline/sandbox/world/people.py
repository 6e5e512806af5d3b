"""Synthetic persons behind the records: names, contact details and how each one can be found across systems.

One row per person; each value is a function of the seed and the person alone, so a smaller world holds the same people.
No e-mail or phone here belongs to anyone: e-mail domains are reserved for examples, phone numbers use the 555 and 556
exchanges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import pyarrow as pa
from faker import Faker

from segment_pipeline.sandbox.world.proportions import Proportions

HOUSEHOLD, WEB_ONLY, PLANTED = "household", "web_only", "planted"


@dataclass(frozen=True, slots=True)
class City:
    """A place people and stores are in. `country` is ISO 3166; `postcode` is completed by two digits in the US."""

    name: str
    region: str
    region_name: str
    country: str
    timezone: str
    lat: float
    lon: float
    postcode: str
    area_code: int


EASTERN, CENTRAL, TORONTO = "America/New_York", "America/Chicago", "America/Toronto"
CITIES = (
    City("Cincinnati", "OH", "Ohio", "US", EASTERN, 39.1031, -84.5120, "452", 513),
    City("Columbus", "OH", "Ohio", "US", EASTERN, 39.9612, -82.9988, "432", 614),
    City("Dayton", "OH", "Ohio", "US", EASTERN, 39.7589, -84.1916, "454", 937),
    City("Cleveland", "OH", "Ohio", "US", EASTERN, 41.4993, -81.6944, "441", 216),
    City("Lexington", "KY", "Kentucky", "US", EASTERN, 38.0406, -84.5037, "405", 859),
    City("Louisville", "KY", "Kentucky", "US", EASTERN, 38.2527, -85.7585, "402", 502),
    City("Indianapolis", "IN", "Indiana", "US", "America/Indiana/Indianapolis", 39.7684, -86.1581, "462", 317),
    City("Atlanta", "GA", "Georgia", "US", EASTERN, 33.7490, -84.3880, "303", 404),
    City("Nashville", "TN", "Tennessee", "US", CENTRAL, 36.1627, -86.7816, "372", 615),
    City("Chicago", "IL", "Illinois", "US", CENTRAL, 41.8781, -87.6298, "606", 312),
)
CANADA = City("Toronto", "ON", "Ontario", "CA", TORONTO, 43.6532, -79.3832, "M5V 2T6", 416)

_DOMAINS = ("example.com", "example.com", "example.org", "example.net")
_AGE_BANDS = {
    "19-24": (19, 24),
    "25-34": (25, 34),
    "35-44": (35, 44),
    "45-54": (45, 54),
    "55-64": (55, 64),
    "65+": (65, 84),
}


@dataclass(frozen=True, slots=True)
class Seat:
    """A person to be made up. `ordinal` is unique in the whole world; `city` NULL: drawn; `age_band` NULL: unknown."""

    person_id: str
    group: str
    ordinal: int
    household_id: int | None = None
    city: int | None = None
    age_band: str | None = None
    gender: str | None = None
    planted: str | None = None
    at_till: bool = False


def city_table() -> pa.Table:
    """One row per city, numbered as `Seat.city` counts; Canada is the last."""
    rows = [
        {
            "city_no": number, "name": c.name, "region": c.region, "region_name": c.region_name, "country": c.country,
            "timezone": c.timezone, "lat": c.lat, "lon": c.lon, "postcode_prefix": c.postcode,
        }
        for number, c in enumerate((*CITIES, CANADA))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def people_table(seats: Sequence[Seat], seed: int, as_of: date, mix: Proportions) -> pa.Table:
    """One row per person, in the order of `seats`.

    `till_email`, `till_phone`: what the till knows (NULL: nothing); `web_email`, `web_phone`: what the web shop is told;
    `web_kind`: how the web records can be found (NULL: does not shop online); `account`: has a web account.
    """
    fake = Faker("en_US")
    rows = [_person(seat, seed, as_of, mix, fake) for seat in seats]
    _share_phones(rows, seed, mix)
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("person_id", "grp", "planted")]
    + [("ordinal", pa.int64()), ("household_id", pa.int64()), ("city_no", pa.int32())]
    + [
        (name, pa.string())
        for name in ("first_name", "last_name", "gender", "email", "till_email", "till_phone", "web_email", "web_phone")
    ]
    + [(name, pa.string()) for name in ("new_email", "street", "new_street", "postcode", "web_kind")]
    + [("account", pa.bool_()), ("at_till", pa.bool_()), ("birth_date", pa.date32())]
)


def _person(seat: Seat, seed: int, as_of: date, mix: Proportions, fake: Faker) -> dict[str, object]:
    random = Random(f"{seed}:{seat.person_id}")
    fake.seed_instance(random.getrandbits(64))
    gender = seat.gender or random.choice(("female", "male"))
    first = fake.first_name_female() if gender == "female" else fake.first_name_male()
    last = fake.last_name()
    web_kind, account = _web_kind(seat, random, mix)
    city_no = seat.city if seat.city is not None else _draw_city(seat, random, mix)
    city = (*CITIES, CANADA)[city_no]
    email = f"{first}.{last}{seat.ordinal}@{random.choice(_DOMAINS)}".lower()
    phone = f"+1{city.area_code}555{seat.ordinal:04d}"
    has_email, has_phone = random.random() < mix.till_email, random.random() < mix.till_phone
    # A link can only be there for those whom the till can reach by it.
    linked_by_email = web_kind in ("same_email", "guest_known_email")
    linked_by_phone = web_kind in ("phone_only", "mistyped_email_known_phone")
    at_till = seat.at_till or seat.group == HOUSEHOLD
    web_email, web_phone = _web_contact(
        web_kind, (email, phone), seat, f"+1{city.area_code}556{seat.ordinal:04d}", random
    )
    return {
        "person_id": seat.person_id,
        "grp": seat.group,
        "planted": seat.planted,
        "ordinal": seat.ordinal,
        "household_id": seat.household_id,
        "city_no": city_no,
        "first_name": first,
        "last_name": last,
        "gender": gender,
        "email": email,
        "till_email": email if at_till and (has_email or linked_by_email or seat.group == PLANTED) else None,
        "till_phone": phone if at_till and (has_phone or linked_by_phone or seat.group == PLANTED) else None,
        "web_email": web_email,
        "web_phone": web_phone,
        "new_email": f"{last}.{first}{seat.ordinal}@{random.choice(_DOMAINS)}".lower(),
        "street": fake.street_address(),
        "new_street": fake.street_address(),
        "postcode": city.postcode if city.country == "CA" else f"{city.postcode}{random.randrange(1, 60):02d}",
        "web_kind": web_kind,
        "account": account,
        "at_till": at_till,
        "birth_date": _birth_date(seat.age_band, as_of, random),
    }


def _draw_city(seat: Seat, random: Random, mix: Proportions) -> int:
    canadian = random.random() < mix.web_only_in_canada
    return len(CITIES) if canadian and seat.group == WEB_ONLY else random.randrange(len(CITIES))


def _web_kind(seat: Seat, random: Random, mix: Proportions) -> tuple[str | None, bool]:
    shops, draw, account = random.random(), random.random(), random.random()
    if seat.group == PLANTED:
        return "same_email" if seat.at_till else "web_only", True
    if seat.group == WEB_ONLY:
        return "web_only", account < mix.web_only_account
    if shops >= mix.web_households:
        return None, False
    for kind, share, accounts in (
        ("same_email", mix.same_email, 1.0),
        ("phone_only", mix.phone_only, 1.0),
        ("guest_known_email", mix.guest_known_email, 0.0),
        ("mistyped_email_known_phone", mix.mistyped_email_known_phone, 0.5),
    ):
        if draw < share:
            return kind, account < accounts
        draw -= share
    return "nothing_shared", account < 0.6


def _web_contact(
    web_kind: str | None, known: tuple[str, str], seat: Seat, other_phone: str, random: Random
) -> tuple[str | None, str | None]:
    email, phone = known
    local, domain = email.split("@")
    told_phone = random.random()
    if web_kind is None:
        return None, None
    if web_kind in ("same_email", "guest_known_email"):
        return email, phone if told_phone < 0.5 else None
    if web_kind == "phone_only":
        return f"web.{seat.ordinal}.{local.split('.')[0]}@{domain}", phone
    if web_kind == "mistyped_email_known_phone":
        return f"{local[1]}{local[0]}x{local[2:]}@{domain}", phone
    if web_kind == "nothing_shared":
        return f"shopper{seat.ordinal * 7 + 1}@{domain}", other_phone if told_phone < 0.5 else None
    return email, phone if told_phone < 0.6 else None


def _birth_date(age_band: str | None, as_of: date, random: Random) -> date:
    youngest, oldest = _AGE_BANDS.get(age_band or "", (19, 79))
    age = random.randrange(youngest, oldest + 1)
    return as_of - timedelta(days=int(age * 365.25) + random.randrange(1, 365))


def _share_phones(rows: list[dict[str, object]], seed: int, mix: Proportions) -> None:
    # Half of the sharing households take over the phone of the one before them, which is the other half.
    previous: dict[str, object] | None = None
    for row in rows:
        if row["grp"] != HOUSEHOLD or row["till_phone"] is None:
            continue
        shares = Random(f"{seed}:phone:{row['person_id']}").random() < mix.shared_phone / 2
        if shares and previous is not None and row["web_kind"] not in ("phone_only", "mistyped_email_known_phone"):
            shared = previous["till_phone"]
            row["web_phone"] = shared if row["web_phone"] == row["till_phone"] else row["web_phone"]
            row["till_phone"] = shared
            previous = None
        else:
            previous = row
