"""Audiences as rows of a table: the contract on SQLite, PostgreSQL and MariaDB, and what becomes of a table others have been at."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from segment_pipeline.delivery.destination import AudienceGone, Destination, Operation
from segment_pipeline.destinations.table.connector import AudienceTable
from segment_pipeline.destinations.table.values import common, kinds_of
from segment_pipeline.errors import ConfigError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.testing import DestinationContract
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of
from segment_pipeline_tests import mariadb as mariadb_servers, postgres as postgres_servers


class TestAudienceTable(DestinationContract):
    open: ExitStack

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'company.sqlite'}"

    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        with ExitStack() as self.open:
            yield

    @pytest.fixture
    def destination(self, url: str, _closed: None) -> Destination:
        return self.made(url=url)

    def made(self, **fields: Any) -> AudienceTable:
        made = AudienceTable(**fields)
        self.open.callback(made.close)
        return made

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        assert isinstance(destination, AudienceTable)
        columns = [rule.column for rule in destination.capabilities.identifiers]
        query = (
            f"SELECT {', '.join(f'm.{column}' for column in columns)} FROM audience_members AS m"
            " JOIN audience_members_audiences AS a ON a.audience = m.audience WHERE a.audience_id = :id"
        )
        return {tuple(row[column] for column in columns) for row in self.rows(destination.url, query, id=remote_id)}

    def rows(self, url: str, query: str, **values: str) -> list[dict[str, Any]]:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            done = connection.execute(sa.text(query), values)
            found = [dict(row) for row in done.mappings()] if done.returns_rows else []
        engine.dispose()
        return found

    def columns(self, url: str) -> dict[str, str]:
        engine = sa.create_engine(url)
        found = {each["name"]: str(each["type"]) for each in sa.inspect(engine).get_columns("audience_members")}
        engine.dispose()
        return found

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"table": ""}, "`table` is ''"),
            ({"table": "crm."}, "`table` is 'crm.'"),
            ({"table": "x" * 54}, "53 bytes at most"),
            ({"columns": {"Email": "text"}}, "attribute Email can be no column"),
            ({"columns": {"city": "text", "CITY": "text"}}, "attribute city can be no column"),
            ({"columns": {"": "text"}}, "can be no column"),
            ({"columns": {"city": "varchar"}}, "a kind is text"),
            ({"form": "sha512"}, "set one of plain, sha256"),
            ({"identifiers": ["user_id:"]}, "name email"),
        ],
    )
    def test_what_no_database_takes_is_told_before_it_is_asked(self, given: Any, said: str) -> None:
        with pytest.raises(ConfigError, match=re.escape(said)):
            AudienceTable(**given)

    def test_an_attribute_may_be_called_anything_a_column_may(self, destination: AudienceTable, audience: str) -> None:
        """Once there is a column called as a value of our own statements, no batch would be taken any more."""
        names = ["k", "v0", "b0", "bb", "a:b", "rate % (net)", "SELECT", "semi;--", "x.y", 'q"uote', "ü"]
        for number in (1, 2):
            told = json.dumps({name: f"{number} {name}" for name in names})
            destination.apply(batch(destination, audience, [Person("ann@quiet.shop", None, told)], number=number))
        engine = sa.create_engine(destination.url)
        with engine.connect() as connection:
            table = sa.Table("audience_members", sa.MetaData(), autoload_with=engine)
            [row] = connection.execute(sa.select(table)).mappings()
            assert {name: row[name] for name in names} == {name: f"2 {name}" for name in names}
        engine.dispose()
        for name in ("trailing ", "", "new\nline", "back`tick", "%(v0)s", "Audience"):
            told = json.dumps({name: 1})
            with pytest.raises(ConfigError, match="odd, too long or taken") as caught:
                destination.apply(batch(destination, audience, [Person("ann@quiet.shop", None, told)], number=3))
            assert "\n" not in str(caught.value)

    def test_a_name_too_long_or_taken_is_a_persons_business(self, destination: AudienceTable, audience: str) -> None:
        """Tried again it would be refused again, and no row of a batch is to blame."""
        destination.ensure_audience("taken")
        with pytest.raises(ConfigError, match="has another audience taken"):
            destination.rename(audience, "taken")
        for asked in (destination.ensure_audience, lambda name: destination.rename(audience, name)):
            with pytest.raises(ConfigError, match="255 characters at most"):
                asked("x" * 300)
        destination.rename(audience, "taken not")
        destination.rename(audience, "taken not")

    def test_attributes_are_typed_columns_and_what_is_not_said_stays(
        self, destination: AudienceTable, audience: str
    ) -> None:
        """A number is no text, a day no text either; a column comes with the first value, null empties, silence leaves."""
        said = {"orders": 7, "spend": 12.5, "vip": True, "seen": "2026-11-30", "city": "Köln 🎁 %s :x", "last": None}
        ann, ben = Person("ann@quiet.shop", None, json.dumps(said)), Person("ben@quiet.shop", "+14155550001")
        destination.apply(batch(destination, audience, [ann, ben]))
        later = {"orders": 8, "seen": None, "last": ["a", 1], 'city\'s "own"': "\u0000"}
        destination.apply(batch(destination, audience, [Person("ann@quiet.shop", None, json.dumps(later))], number=2))
        engine = sa.create_engine(destination.url)
        table = sa.Table("audience_members", sa.MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            found = {row["email"]: dict(row) for row in connection.execute(sa.select(table)).mappings()}
        engine.dispose()
        held, other = found["ann@quiet.shop"], found["ben@quiet.shop"]
        assert {name: held[name] for name in said | later} == {
            "orders": 8, "spend": 12.5, "vip": True, "seen": None, "city": said["city"], "last": '["a", 1]', "city's \"own\"": "\ufffd",
        }  # fmt: skip
        assert isinstance(held["updated_at"], datetime)
        assert (held["member_key"], held["audience"][:11]) == (digest(key_of(destination, ann)), "audience of")
        assert {other[name] for name in said | later} == {None}
        assert other["phone"] == "+14155550001"
        dated = Person("cleo@quiet.shop", None, '{"seen": "2026-12-01"}')
        destination.apply(batch(destination, audience, [dated], number=3))
        [row] = self.rows(destination.url, "SELECT seen FROM audience_members WHERE email = 'cleo@quiet.shop'")
        assert row["seen"] in (date(2026, 12, 1), "2026-12-01")

    def test_a_value_its_column_cannot_hold_changes_nothing_and_is_named(
        self, destination: AudienceTable, audience: str
    ) -> None:
        first, later = (
            Person("ann@quiet.shop", None, '{"orders": 7}'),
            Person("ann@quiet.shop", None, '{"orders": 7.5}'),
        )
        destination.apply(batch(destination, audience, [first]))
        with pytest.raises(ConfigError, match="attribute orders is number and its column integer: declare"):
            destination.apply(batch(destination, audience, [later, *crowd(3)], number=2))
        mixed = [Person(f"{n}@quiet.shop", None, json.dumps({"code": code})) for n, code in enumerate(("a", 1))]
        with pytest.raises(ConfigError, match="attribute code is integer and text: declare one kind"):
            destination.apply(batch(destination, audience, mixed, number=3))
        assert self.held(destination, audience) == keys_of(destination, [first])

    @pytest.mark.parametrize("attribute", ["EMAIL", "Tier", "x" * 64])
    def test_a_name_that_can_be_no_column_is_named(
        self, destination: AudienceTable, audience: str, attribute: str
    ) -> None:
        """Databases tell columns apart by more than case, or not."""
        destination.apply(batch(destination, audience, [Person("ann@quiet.shop", None, '{"tier": "a"}')]))
        with pytest.raises(ConfigError, match=f"attribute {attribute} can be no column of audience_members"):
            destination.apply(
                batch(destination, audience, [Person("ann@quiet.shop", None, json.dumps({attribute: "a"}))], number=2)
            )

    def test_declared_columns_are_all_there_is(self, url: str) -> None:
        strict = self.made(url=url, columns={"tier": "text", "spend": "number", "since": "text"})
        audience = strict.ensure_audience("vip")
        strict.apply(batch(strict, audience, [Person("a@quiet.shop", None, '{"spend": 3, "since": "2026-01-01"}')]))
        assert [*self.columns(url)][-3:] == ["tier", "spend", "since"]
        with pytest.raises(ConfigError, match="attribute city is not declared"):
            strict.apply(batch(strict, audience, [Person("a@quiet.shop", None, '{"city": "Bath"}')], number=2))
        more = self.made(url=url, columns={"tier": "text", "spend": "number", "since": "text", "city": "text"})
        more.check()
        more.apply(batch(more, audience, [Person("a@quiet.shop", None, '{"city": "Bath"}')], number=2))
        for changed in ({"tier": "text"}, {"tier": "number", "spend": "number", "since": "text", "city": "text"}):
            with pytest.raises(ConfigError, match="has a column"):
                self.made(url=url, columns=changed).check()

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ("id INTEGER PRIMARY KEY, name VARCHAR(10)", "has no column audience"),
            ("audience VARCHAR(9), member_key VARCHAR(9), email VARCHAR(9), updated_at INTEGER", "no column phone"),
            ("audience VARCHAR(9), member_key VARCHAR(9), email VARCHAR(9), phone INTEGER, updated_at TIMESTAMP", "phone of another"),
            ("audience VARCHAR(9), member_key VARCHAR(9), email VARCHAR(9), phone VARCHAR(9), updated_at TIMESTAMP", "another key"),
            ("audience VARCHAR(9), member_key VARCHAR(9), email VARCHAR(9), phone VARCHAR(9), updated_at TIMESTAMP, n INTEGER NOT NULL, PRIMARY KEY (audience, member_key)", "n that takes no NULL"),
        ],
    )  # fmt: skip
    def test_a_table_of_somebody_elses_is_left_alone(self, url: str, columns: str, said: str) -> None:
        self.rows(url, f"CREATE TABLE audience_members ({columns})")
        tool = self.made(url=url)
        for call in (tool.check, lambda: tool.ensure_audience("vip")):
            with pytest.raises(ConfigError, match=f"table audience_members .*{said}.*: name another `table`"):
                call()
        engine = sa.create_engine(url)
        assert sa.inspect(engine).get_table_names() == ["audience_members"]
        engine.dispose()

    def test_a_table_that_was_dropped_is_gone_and_made_anew(self, destination: AudienceTable, audience: str) -> None:
        destination.apply(batch(destination, audience, crowd(3)))
        self.rows(destination.url, "DROP TABLE audience_members")
        with pytest.raises(AudienceGone, match="resend"):
            destination.count(audience)
        assert destination.forget(batch(destination, "", crowd(1))).accepted == 1
        again = destination.ensure_audience("another")
        assert destination.count(again) == 0

    def test_a_household_phone_takes_nobody_else_out(self, destination: AudienceTable, audience: str) -> None:
        """Rows are known by key; who is forgotten is found by any identifier."""
        people = [Person("ann@quiet.shop", "+14155550001"), Person("ben@quiet.shop", "+14155550001")]
        destination.apply(batch(destination, audience, people))
        destination.apply(batch(destination, audience, people[:1], Operation.REMOVE, number=2))
        assert self.held(destination, audience) == keys_of(destination, people[1:])
        destination.forget(batch(destination, "", [Person(None, "+14155550001")]))
        assert self.held(destination, audience) == set()


class TestTableOfPostgres(TestAudienceTable):
    @pytest.fixture
    def url(self, postgres: str) -> str:
        return postgres_servers.new_database(postgres)

    def test_a_batch_is_all_there_or_not_at_all(self, destination: AudienceTable, audience: str) -> None:
        """A value its database takes not is looked for in halves; SQLite takes any length in any column."""
        work = batch(destination, audience, crowd(4))
        keys = work.rows.column("key").to_pylist()
        longer = work.rows.set_column(0, "key", [[*keys[:3], "k" * 65]])
        with pytest.raises(RejectedRecords):
            destination.apply(type(work)(work.plan, 1, work.operation, audience, longer))
        assert self.held(destination, audience) == set()

    def test_a_table_stands_in_the_schema_it_names(self, url: str) -> None:
        self.rows(url, "CREATE SCHEMA crm")
        tool = self.made(url=url, table="crm.members")
        audience = tool.ensure_audience("vip")
        for number, said in enumerate(['{"tier": "a"}', '{"orders": 1}']):
            tool.apply(batch(tool, audience, [Person("ann@quiet.shop", None, said)], number=number))
        tool.check()
        assert self.rows(url, "SELECT audience, tier, orders FROM crm.members") == [
            {"audience": "vip", "tier": "a", "orders": 1}
        ]
        with pytest.raises(SegmentPipelineError, match="may its user make tables"):
            self.made(url=url, table="nowhere.members").ensure_audience("vip")

    def test_no_error_holds_the_password_or_a_row(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        open_url = sa.make_url(url)
        locked = open_url.set(username="nobody", password="s3cret-pass").render_as_string(hide_password=False)
        away = f"postgresql+psycopg://ann:s3cret-pass@127.0.0.1:9/{open_url.database}"
        for said, kind, match in ((locked, ConfigError, "let nobody in"), (away, TransientError, "did not answer")):
            tool = self.made(url=said)
            with pytest.raises(kind, match=match) as caught:
                tool.check()
            texts = [repr(tool), str(caught.value), caplog.text]
            assert "s3cret" not in " ".join(texts)
            assert getattr(caught.value, "sent", False) is False
        with pytest.raises(SegmentPipelineError) as caught:
            self.made(url="s3cret://ann:s3cret-pass@host").check()
        assert "s3cret" not in str(caught.value)
        assert "TABLE_DESTINATION_URL" in str(caught.value)


class TestTableOfMariaDB(TestAudienceTable):
    @pytest.fixture
    def url(self, mariadb: str) -> str:
        return mariadb_servers.new_database(mariadb)

    test_a_batch_is_all_there_or_not_at_all = TestTableOfPostgres.test_a_batch_is_all_there_or_not_at_all


def test_a_kind_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="`columns` has int: a kind is text, integer"):
        AudienceTable(columns={"orders": "int"})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 2], "integer"),
        ([1, 2.5], "number"),
        ([2**63], "number"),
        ([True, False], "boolean"),
        (["2026-11-30"], "date"),
        (["2026-11-31"], "text"),
        (["2026-11-30", "soon"], "text"),
        (["2026-11-30T10:00:00"], "text"),
        ([[1], {"a": 1}], "text"),
        ([1, True], None),
        (["a", 1], None),
        (["2026-11-30", 1.5], None),
    ],
)
def test_a_column_is_of_the_kind_that_all_values_are(values: list[Any], kind: str | None) -> None:
    assert common(kinds_of([{"a": value} for value in values])["a"]) == kind
