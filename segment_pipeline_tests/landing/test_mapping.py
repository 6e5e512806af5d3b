"""What landing makes of a record and of a fill, over a literal source: the vendors' own tests need not ask it again."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import generated
from segment_pipeline.landing import judgement
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.mapping import INTEGER, Fill, Record, text
from segment_pipeline.landing.rates import land_rates
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.settings import Settings
from segment_pipeline_tests.landing.literal_source import LiteralSource

YEAR = Window(date(1970, 1, 2), date(2017, 12, 31))
CUSTOMER = Record(
    key="id",
    updated="changed",
    created="made",
    version="v",
    email=("mail", "contact.mail"),
    phone="contact.phone",
    phone_country="contact.country",
    fields={**text("name tags[] notes[].body"), "notes[].stars": INTEGER},
    reasons={"two names": "contains(r.name, '&')"},
)
ABSENT = (
    "owner_key last_name street city postcode country birth_day gender loyalty_id loyalty_balance deleted_on attributes"
)
CUSTOMERS = generated(
    "ours/customers",
    "SELECT c.*, 'customer' AS entity, c.key AS customer_key, c.r.name AS first_name, c.r.tags[1] AS region,"
    " TRY_CAST(c.r.notes[1].body AS DATE) AS birth_date, TRUE AS contactable FROM usable AS c",
)
PEOPLE = Entity(
    "people",
    Kind.MUTABLE,
    (Part("people", ("records",)),),
    CUSTOMER,
    (Fill("customers", CUSTOMERS, absent=ABSENT, one_per_record=True),),
)
GOOD = {"id": "a", "changed": "2017-06-05T03:30:00Z", "made": "2016-01-01T00:00:00Z", "name": "Ada"}


@pytest.fixture(autouse=True)
def few_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a handful of records one malformed is more than the share that stops a landing."""
    monkeypatch.setattr(judgement, "MALFORMED_SHARE", 1.0)


def landed(lake: Lake, settings: Settings, entity: Entity, *records: Any, query: str) -> list[tuple[Any, ...]]:
    part = entity.parts[0].name
    ingest(lake, LiteralSource((entity,), {part: [list(records)]}), entity.name, YEAR, settings, "run")
    with lake.session() as session:
        for name in {*entity.table_names, "quarantine"}:
            session.scan(name)
        return [tuple(row.values()) for row in session.rows(query)]


def test_a_record_has_a_key_times_contacts_and_the_company_day(lake: Lake, settings: Settings) -> None:
    told = {
        "contact": {"mail": "Ada@Quiet.shop", "phone": "(513) 555-0123", "country": "US"},
        "mail": " ",
        "tags": ["NY"],
    }
    query = "SELECT source, customer_key, updated_at, created_at, day, email, phone, first_name, region, last_name FROM customers"
    assert landed(lake, settings, PEOPLE, {**GOOD, **told}, query=query) == [
        (
            "literal", "a", datetime(2017, 6, 5, 3, 30, tzinfo=UTC), datetime(2016, 1, 1, tzinfo=UTC), date(2017, 6, 4),
            "ada@quiet.shop", "+15135550123", "Ada", "NY", None,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("text", "not an object"),
        ({**GOOD, "id": ""}, "no id"),
        ({**GOOD, "id": " \u00a0"}, "no id"),
        ({**GOOD, "id": None, "changed": "x"}, "no id"),
        ({**GOOD, "changed": "yesterday"}, "changed is not a time"),
        ({**GOOD, "changed": "10000-01-01T00:00:00Z"}, "changed is not a time"),
        ({**GOOD, "changed": "0001-01-01T00:00:00Z"}, "changed is not a time"),
        ({**GOOD, "made": None, "name": "Ada & Bo"}, "made is not a time"),
        ({**GOOD, "name": "Ada & Bo"}, "two names"),
    ],
)
def test_the_first_reason_that_holds_is_told_and_the_record_kept(
    lake: Lake, settings: Settings, broken: Any, reason: str
) -> None:
    other = {**GOOD, "id": "b"}
    rows = landed(lake, settings, PEOPLE, broken, other, query="SELECT reason, raw, key FROM quarantine")
    assert [row[0] for row in rows] == [reason]
    assert rows[0][1]
    assert len(rows[0][2]) == 32 or rows[0][2] == "a"
    assert landed(lake, settings, PEOPLE, other, query="SELECT customer_key FROM customers") == [("b",)]


def test_a_year_of_zeros_is_a_time_nobody_needs_a_day_of(lake: Lake, settings: Settings) -> None:
    """Go's zero time, in a record's creation."""
    record = {**GOOD, "made": "0001-01-01T00:00:00Z"}
    assert landed(lake, settings, PEOPLE, record, query="SELECT created_at FROM customers") == [
        (datetime(1, 1, 1, tzinfo=UTC),)
    ]


@pytest.mark.parametrize("born", ["0000-07-04", "19850-07-04", "1985-02-30", "soon", ""])
def test_a_date_nobody_can_write_is_none_and_its_record_lands(lake: Lake, settings: Settings, born: str) -> None:
    record = {**GOOD, "notes": [{"body": born}]}
    assert landed(lake, settings, PEOPLE, record, query="SELECT birth_date FROM customers") == [(None,)]


def test_of_a_version_received_twice_the_greater_number_counts(lake: Lake, settings: Settings) -> None:
    records = [{**GOOD, "v": 2, "name": "second"}, {**GOOD, "v": 10, "name": "tenth"}, {**GOOD, "name": "none"}]
    assert landed(lake, settings, PEOPLE, *records, query="SELECT first_name FROM customers") == [("tenth",)]


def test_a_field_of_another_type_is_unknown(lake: Lake, settings: Settings) -> None:
    records = [{**GOOD, "tags": "NY", "notes": {"body": 1}, "contact": [], "v": "new"}]
    assert landed(lake, settings, PEOPLE, *records, query="SELECT region, birth_date, phone FROM customers") == [
        (None, None, None)
    ]


SALES = Entity(
    "sales",
    Kind.MUTABLE,
    (Part("sales", ("records",)), Part("tills", ("records",))),
    Record(
        key="id",
        updated="at",
        business=("paid", "at"),
        needs=("currency",),
        fields=text("amount till currency"),
        joins={
            generated(
                "ours/tills",
                "SELECT json_extract_string(record, '$.id') AS id, json_extract_string(record, '$.zone') AS zone FROM raw_tills",
            ): "tills.id = r.till"
        },
        columns={"timezone": "tills.zone", "currency": "r.currency"},
    ),
    (
        Fill(
            "refunds",
            generated(
                "ours/refunds",
                "SELECT s.*, s.key AS refund_key, s.business_at AS refunded_at, s.business_on AS refunded_on,"
                " CAST(s.local_at AS VARCHAR) AS order_key, CAST(s.r.amount AS DECIMAL(18,4)) AS amount,"
                " CAST(s.r.amount AS DECIMAL(18,4)) * s.rate AS amount_base FROM usable AS s",
            ),
            absent="line_number",
            one_per_record=True,
        ),
    ),
)


def test_business_time_has_a_company_day_a_local_time_and_a_rate(lake: Lake, settings: Settings) -> None:
    """03:30 UTC: still the 4th for the company in New York, 22:30 where it was sold; the first of the times that is one."""
    land_rates(lake, {date(2017, 6, 1): {"CAD": "0.75"}, date(2017, 6, 5): {"CAD": "0.8"}}, base="USD")
    sale = {"id": "s", "at": "2017-06-05T03:30:00Z", "paid": "?", "till": "t", "currency": "CAD", "amount": "10"}
    source = LiteralSource(
        (SALES,), {"sales": [[sale]], "tills": [[{"id": "t", "zone": "America/Chicago"}, {"id": "u"}]]}
    )
    ingest(lake, source, "sales", YEAR, settings, "run")
    with lake.session() as session:
        session.scan("refunds")
        assert session.rows("SELECT refunded_on, order_key, amount, amount_base, currency FROM refunds") == [
            {
                "refunded_on": date(2017, 6, 4), "order_key": "2017-06-04 22:30:00", "amount": Decimal("10.0000"),
                "amount_base": Decimal("7.5000"), "currency": "CAD",
            }
        ]  # fmt: skip


@pytest.mark.parametrize("zone", ["", None, "Mars/Olympus", "US-Central", "+05:00:61"])
def test_a_time_zone_nobody_knows_leaves_the_local_time_of_its_own_records_empty(
    lake: Lake, settings: Settings, zone: str | None
) -> None:
    """A till's store without a zone, or with one of the vendor's own making, must not keep the other stores' sales away."""
    sale = {"at": "2017-06-05T03:30:00Z", "currency": "USD", "amount": "10"}
    sales = [{**sale, "id": "odd", "till": "odd"}, {**sale, "id": "good", "till": "good"}]
    tills = [{"id": "odd", "zone": zone}, {"id": "good", "zone": "America/Chicago"}]
    report = ingest(lake, LiteralSource((SALES,), {"sales": [sales], "tills": [tills]}), "sales", YEAR, settings, "run")
    assert "1 records have no time zone that is known: their local time is empty" in report.notes
    with lake.session() as session:
        session.scan("refunds")
        rows = session.rows("SELECT refund_key, order_key FROM refunds ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("good", "2017-06-04 22:30:00"), ("odd", None)]


def test_an_amount_of_any_size_has_a_base(lake: Lake, settings: Settings) -> None:
    """DuckDB multiplies decimals of 18 digits as 18 digits: from 9.2 million on the whole landing failed."""
    land_rates(lake, {date(2017, 6, 1): {"CAD": "0.75"}}, base="USD")
    sale = {"at": "2017-06-05T03:30:00Z", "till": "t", "amount": "10000000"}
    largest = {**sale, "amount": "99999999999999.9999"}
    sales = [
        {**sale, "id": "a", "currency": "USD"},
        {**sale, "id": "b", "currency": "CAD"},
        {**largest, "id": "c", "currency": "USD"},
    ]
    rows = landed(lake, settings, SALES, *sales, query="SELECT refund_key, amount_base FROM refunds ORDER BY 1")
    assert rows == [("a", Decimal(10_000_000)), ("b", Decimal(7_500_000)), ("c", Decimal("99999999999999.9999"))]


def test_what_a_record_needs_is_named_where_it_is_missing(lake: Lake, settings: Settings) -> None:
    sale = {"id": "s", "at": "2017-06-05T03:30:00Z", "till": "t", "amount": "10"}
    assert landed(lake, settings, SALES, sale, query="SELECT reason FROM quarantine") == [("no currency",)]


CLICKS = Entity(
    "clicks",
    Kind.LOG,
    (Part("clicks", ("records",)),),
    Record(key=("id", "uuid"), updated="got", business="at", event="what", names={"pv": "visit"}, needs=("what",)),
    (
        Fill(
            "events",
            generated(
                "ours/clicks",
                "SELECT c.*, c.key AS event_key, c.event AS name, c.business_at AS occurred_at, c.business_on AS occurred_on,"
                " c.updated_at AS received_at FROM usable AS c",
            ),
            absent="local_at anonymous_id customer_key email session_key product_key category collection lat lon country"
            " utm_source utm_medium utm_campaign properties subject text",
            key="event_key",
        ),
    ),
)


def test_events_have_our_names_where_we_know_the_vendors_and_unknown_ones_are_counted(
    lake: Lake, settings: Settings
) -> None:
    click = {"at": "2017-06-01T00:00:00Z", "got": "2017-06-05T12:00:00Z"}
    clicks = [
        {**click, "id": "1", "what": "pv"},
        {**click, "uuid": "2", "what": "Rage Click"},
        {**click, "id": "", "uuid": "3", "what": "login"},
    ]
    source = LiteralSource((CLICKS,), {"clicks": [clicks]})
    report = ingest(lake, source, "clicks", YEAR, settings, "run")
    assert report.unknown_events == {"Rage Click": 1}
    with lake.session() as session:
        session.scan("events")
        rows = session.rows("SELECT event_key, name, occurred_on, day FROM events ORDER BY 1")
    assert [(row["event_key"], row["name"]) for row in rows] == [("1", "visit"), ("2", "Rage Click"), ("3", "login")]
    assert {(row["occurred_on"], row["day"]) for row in rows} == {(date(2017, 5, 31), date(2017, 6, 5))}


def test_a_fill_gives_every_column_of_its_table_or_says_what_is_absent() -> None:
    fill = PEOPLE.tables[0]
    for wrong, said in (
        (
            replace(fill, absent=ABSENT.removesuffix(" attributes")),
            "ours/customers, for table customers, does not give attributes",
        ),
        (replace(fill, absent=f"{ABSENT} shoe_size"), "gives shoe_size, which the table does not have"),
        (replace(fill, absent=f"{ABSENT} email"), "gives email twice"),
        (
            replace(fill, statement=generated("ours/odd", "SELECT * FROM raw_people")),
            "ours/odd takes all columns of something",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            replace(PEOPLE, tables=(wrong,))


def test_a_snapshot_is_as_of_its_pull_and_everything_else_says_when_it_changed() -> None:
    for kind, record in ((Kind.SNAPSHOT, CUSTOMER), (Kind.MUTABLE, replace(CUSTOMER, updated=()))):
        with pytest.raises(ConfigError, match="entity people: records say when they were `updated`, but for snapshots"):
            replace(PEOPLE, kind=kind, parse=record)
