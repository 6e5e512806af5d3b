"""Hashed CSV files: the contract, what the files look like, and what a crash leaves."""

import hashlib
import json
import stat
from collections.abc import Iterator
from csv import DictReader, reader as csv_rows
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from segment_pipeline.delivery.destination import Destination, Operation
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.testing import DestinationContract
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of

HEADERS = {"tiktok": "Email_SHA256,Phone_SHA256", "google": "Email,Phone"}


def members(folder: Path, platform: str = "plain", header: str = "email,phone") -> set[Key]:
    if (folder / "members.parquet").exists():
        table = parquet.read_table(folder / "members.parquet", partitioning=None)
        assert ",".join(table.column_names) == header
        return {tuple(row.values()) for row in table.to_pylist()}
    with (folder / "members.csv").open(newline="") as file:
        first, *rows = csv_rows(file)
    assert ",".join(first) == HEADERS.get(platform, header)
    return {tuple(cell or None for cell in row) for row in rows}


@pytest.mark.parametrize("format_", ["csv", "parquet"])
@pytest.mark.parametrize("names", [["email"], ["Email"], ["tier", "TIER"], [""]])
def test_an_attribute_called_as_a_column_is_told(tmp_path: Path, format_: Any, names: list[str]) -> None:
    """The first failed in the middle of a sync; of the others the one stood in the other's place."""
    files = HashedFiles(directory=str(tmp_path), format=format_)
    work = batch(
        files, files.ensure_audience("x"), [Person("ann@quiet.shop", None, json.dumps(dict.fromkeys(names, 1)))]
    )
    with pytest.raises(ConfigError, match="its name is taken: rename it"):
        files.apply(work)


def test_a_platform_and_a_format_nobody_knows_are_told() -> None:
    for given in ({"platform": "myspace"}, {"format": "xlsx"}, {"form": "md5"}):
        with pytest.raises(ConfigError, match="set one of"):
            HashedFiles(**given)  # type: ignore[arg-type]


class TestHashedFiles(DestinationContract):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> Iterator[Destination]:
        yield HashedFiles(directory=str(tmp_path / "out"))

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        assert isinstance(destination, HashedFiles)
        header = ",".join(rule.column for rule in destination.capabilities.identifiers)
        return members(Path(destination.directory) / remote_id, destination.platform, header)


class TestFilesForGoogle(TestHashedFiles):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> Iterator[Destination]:
        yield HashedFiles(directory=str(tmp_path / "out"), platform="google")


class TestFilesForSnapchat(TestHashedFiles):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> Iterator[Destination]:
        yield HashedFiles(directory=str(tmp_path / "out"), platform="snapchat")


class TestFilesAsTheyAreInParquet(TestHashedFiles):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> Iterator[Destination]:
        yield HashedFiles(directory=str(tmp_path / "out"), form="plain", format="parquet")


class TestFilesByUserId(TestHashedFiles):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> Iterator[Destination]:
        yield HashedFiles(directory=str(tmp_path / "out"), identifiers=["user_id:shop"])


@pytest.fixture
def destination(tmp_path: Path) -> HashedFiles:
    return HashedFiles(directory=str(tmp_path / "out"))


def test_each_batch_leaves_a_change_ready_to_upload(destination: HashedFiles) -> None:
    audience = destination.ensure_audience("vip")
    destination.apply(batch(destination, audience, crowd(3)))
    destination.apply(batch(destination, audience, crowd(1), Operation.REMOVE, number=2))
    folder = Path(destination.directory) / "vip"
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == [
        "changes-5ee15ee15ee15ee1-00001-add.csv",
        "changes-5ee15ee15ee15ee1-00002-remove.csv",
        "members.csv",
    ]
    email, _ = key_of(destination, crowd(1)[0])
    assert (folder / "changes-5ee15ee15ee15ee1-00002-remove.csv").read_text() == f"email,phone\n{email},\n"


def test_equal_members_are_equal_files(destination: HashedFiles) -> None:
    one, two = destination.ensure_audience("one"), destination.ensure_audience("two")
    people = crowd(50)
    destination.apply(batch(destination, one, people))
    destination.apply(batch(destination, two, people[25:], number=1))
    destination.apply(batch(destination, two, people[:30], number=2))
    root = Path(destination.directory)
    assert (root / one / "members.csv").read_bytes() == (root / two / "members.csv").read_bytes()


def test_a_shared_phone_does_not_remove_the_other_member(destination: HashedFiles) -> None:
    audience = destination.ensure_audience("vip")
    ann, ben = Person("ann@quiet.shop", "+14155550001"), Person("ben@quiet.shop", "+14155550001")
    destination.apply(batch(destination, audience, [ann, ben]))
    destination.apply(batch(destination, audience, [ann], Operation.REMOVE, number=2))
    assert members(Path(destination.directory) / audience) == keys_of(destination, [ben])


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("platform", "header", "email", "phone"),
    [
        ("plain", "email,phone", "ann.b+x@gmail.com", "+15559876543"),
        ("meta", "email,phone", "ann.b+x@gmail.com", "15559876543"),
        ("tiktok", "Email_SHA256,Phone_SHA256", "ann.b+x@gmail.com", "15559876543"),
        ("google", "Email,Phone", "annb@gmail.com", "+15559876543"),
    ],
)
def test_each_platform_gets_the_form_it_matches_and_the_columns_it_reads(
    tmp_path: Path, platform: Any, header: str, email: str, phone: str
) -> None:
    """One form of a phone matches nobody on three of four platforms."""
    files = HashedFiles(directory=str(tmp_path), platform=platform)
    files.apply(batch(files, files.ensure_audience("vip"), [Person("ann.b+x@gmail.com", "+15559876543")]))
    assert (tmp_path / "vip" / "members.csv").read_text() == f"{header}\n{sha(email)},{sha(phone)}\n"
    assert (tmp_path / "vip" / "changes-5ee15ee15ee15ee1-00001-add.csv").read_text().startswith(f"{header}\n")


def test_files_of_one_platform_become_those_of_another(tmp_path: Path) -> None:
    """The planner takes out what was hashed for the one and adds what is for the other; the header follows."""
    plain, google = HashedFiles(directory=str(tmp_path)), HashedFiles(directory=str(tmp_path), platform="google")
    audience, people = plain.ensure_audience("vip"), [Person("ann.b@gmail.com", "+14155550001")]
    plain.apply(batch(plain, audience, people))
    assert google.count(audience) == 1
    old = batch(plain, audience, people, Operation.REMOVE, number=2)
    google.apply(old)
    google.apply(batch(google, audience, people, number=3))
    assert members(tmp_path / "vip", "google") == keys_of(google, people)


def test_a_platform_that_takes_one_kind_per_file_gets_a_list_of_each(tmp_path: Path) -> None:
    files = HashedFiles(directory=str(tmp_path), platform="snapchat")
    audience, people = files.ensure_audience("vip"), [Person("a@quiet.shop", "+14155550001"), Person("b@quiet.shop")]
    files.apply(batch(files, audience, people))
    files.apply(batch(files, audience, people[:1], Operation.REMOVE, number=2))
    folder = tmp_path / "vip"
    assert (folder / "changes-5ee15ee15ee15ee1-00001-add.email.csv").read_text().split() == sorted(
        [sha("a@quiet.shop"), sha("b@quiet.shop")]
    )
    assert (folder / "changes-5ee15ee15ee15ee1-00001-add.phone.csv").read_text() == f"{sha('14155550001')}\n"
    assert (folder / "members.email.csv").read_text() == f"{sha('b@quiet.shop')}\n"
    assert (folder / "members.phone.csv").read_text() == ""
    files.forget(batch(files, "", people[1:]))
    assert sha("b@quiet.shop") not in "".join(path.read_text() for path in folder.glob("*.csv"))


def test_a_file_of_removals_names_nobody_who_stays(destination: HashedFiles) -> None:
    """A platform matches on any identifier: a household's phone in the file would take out who shares it."""
    audience = destination.ensure_audience("vip")
    ann, ben = Person("ann@quiet.shop", "+14155550001"), Person("ben@quiet.shop", "+14155550001")
    only = Person(None, "+14155550001")
    destination.apply(batch(destination, audience, [ann, ben, only]))
    destination.apply(batch(destination, audience, [ann, only], Operation.REMOVE, number=2))
    removed = Path(destination.directory) / audience / "changes-5ee15ee15ee15ee1-00002-remove.csv"
    assert removed.read_text() == f"email,phone\n{sha('ann@quiet.shop')},\n"
    assert members(Path(destination.directory) / audience) == keys_of(destination, [ben])


def test_attributes_are_columns_and_what_is_not_said_stays(destination: HashedFiles) -> None:
    """As in a tool: an unknown value leaves what is held, null empties it."""
    audience = destination.ensure_audience("vip")
    said = [
        Person("ann@quiet.shop", None, json.dumps({"template": 'cart, "again"', "days": 7})),
        Person("ben@quiet.shop", "+14155550001"),
    ]
    destination.apply(batch(destination, audience, said))
    later = Person("ann@quiet.shop", None, json.dumps({"days": None, "city": "Bonn\n=1"}))
    destination.apply(batch(destination, audience, [later], number=2))
    with (Path(destination.directory) / audience / "members.csv").open(newline="") as file:
        rows = {row["email"]: row for row in DictReader(file)}
    assert rows[sha("ann@quiet.shop")] == {
        "email": sha("ann@quiet.shop"), "phone": "", "city": "Bonn\n=1", "days": "", "template": 'cart, "again"',
    }  # fmt: skip
    assert (rows[sha("ben@quiet.shop")]["phone"], rows[sha("ben@quiet.shop")]["days"]) == (sha("+14155550001"), "")
    assert destination.count(audience) == 2
    destination.apply(batch(destination, audience, said[:1], Operation.REMOVE, number=3))
    assert [table.num_rows for table in destination.members(audience)] == [1]


def test_a_value_that_is_no_hash_is_never_written(destination: HashedFiles) -> None:
    audience = destination.ensure_audience("vip")
    work = batch(destination, audience, crowd(1))
    plain = work.rows.set_column(1, "email", pa.array(["mary@quiet.shop"]))
    receipt = destination.apply(type(work)(work.plan, 1, work.operation, audience, plain))
    assert (receipt.accepted, list(receipt.rejected.values())) == (0, ["not_a_hash"])
    assert "mary" not in "".join(p.read_text() for p in (Path(destination.directory) / audience).iterdir())


def test_who_is_forgotten_is_in_no_file_of_past_changes(destination: HashedFiles) -> None:
    audience = destination.ensure_audience("vip")
    people = [*crowd(3), Person(None, "+14155550900"), Person("ben@quiet.shop", "+14155550900")]
    destination.apply(batch(destination, audience, people))
    destination.apply(batch(destination, audience, people[:2], Operation.REMOVE, number=2))
    forgotten = [people[0], people[3]]
    destination.forget(batch(destination, "", forgotten))
    text = "".join(p.read_text() for p in (Path(destination.directory) / audience).glob("*.csv"))
    hashes = [part for person in (people[0], people[1], people[4]) for part in key_of(destination, person) if part]
    assert [part in text for part in hashes] == [False, True, True, True, True]
    assert members(Path(destination.directory) / audience) == keys_of(destination, [people[2], people[4]])


def test_files_are_for_their_owner_only(destination: HashedFiles) -> None:
    audience = destination.ensure_audience("vip")
    destination.apply(batch(destination, audience, crowd(3)))
    folder = Path(destination.directory) / audience
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.glob("*.csv")} == {0o600}


def test_a_crash_between_the_files_is_healed_by_the_same_batch(
    destination: HashedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the change and before the members: members are whole and old, and the batch again completes them."""
    audience = destination.ensure_audience("vip")
    destination.apply(batch(destination, audience, crowd(5)))
    before = (Path(destination.directory) / audience / "members.csv").read_bytes()
    real = csv.write_csv

    def dies_midway(table: pa.Table, file: object, options: csv.WriteOptions) -> None:
        real(table, file, options)
        if table.num_rows > 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv, "write_csv", dies_midway)
    work = batch(destination, audience, crowd(3, first=5), number=2)
    with pytest.raises(TransientError, match="No space left"):
        destination.apply(work)
    folder = Path(destination.directory) / audience
    assert (folder / "members.csv").read_bytes() == before
    assert not list(folder.glob("*.part")) + list(folder.glob(".*.part"))
    monkeypatch.undo()
    destination.apply(work)
    assert members(folder) == keys_of(destination, crowd(8))


def test_a_directory_it_may_not_use_is_named_by_its_variable(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="SEGMENT_PIPELINE_FILES"):
        HashedFiles(directory=str(tmp_path / "taken")).check()


def test_its_directory_is_in_the_home_unless_the_variable_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_PIPELINE_HOME", str(tmp_path / "home"))
    HashedFiles().ensure_audience("vip")
    monkeypatch.setenv("SEGMENT_PIPELINE_FILES", str(tmp_path / "elsewhere"))
    HashedFiles().ensure_audience("vip")
    assert sorted(str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("members.csv")) == [
        "elsewhere/vip",
        "home/files/vip",
    ]


@pytest.mark.parametrize("remote_id", ["../elsewhere", ""])
def test_a_folder_outside_of_its_own_is_refused(destination: HashedFiles, remote_id: str) -> None:
    destination.check()
    with pytest.raises(ConfigError):
        destination.apply(batch(destination, remote_id, crowd(1)))


def test_members_edited_into_something_else_are_refused(destination: HashedFiles) -> None:
    audience = destination.ensure_audience("vip")
    (Path(destination.directory) / audience / "members.csv").write_text("name\nmary\n")
    with pytest.raises(ContractError) as caught:
        destination.count(audience)
    assert "mary" not in str(caught.value)


def told(**address: str | None) -> str:
    return json.dumps(address)


def test_letters_have_name_and_address_of_whoever_has_one(tmp_path: Path) -> None:
    """By our id, so that somebody without e-mail and phone gets one; a removal names the id alone."""
    letters = HashedFiles(directory=str(tmp_path), platform="mail")
    assert (letters.capabilities.channel, letters.capabilities.attributes) == ("mail", False)
    assert [(rule.column, rule.kind) for rule in letters.capabilities.along] == [
        (field, field) for field in ("first_name", "last_name", "street", "city", "region", "postcode", "country")
    ]
    home = {"first_name": "Ann", "last_name": 'O"Hara', "street": "1, High St\n=1", "city": "Bath", "postcode": "BA1"}
    people = [
        Person(external_id="01", attributes=told(**home, country="GB")),
        Person(external_id="2", attributes=told(last_name="Lee", street="2 Low St", postcode="BA1")),
        Person(external_id="3", attributes=told(last_name="Ray", city="Bath", postcode="BA1")),
        Person(external_id="4", attributes=told(last_name="Kay", street="3 Low St")),
        Person(external_id="5"),
    ]
    audience = letters.ensure_audience("winter")
    receipt = letters.apply(batch(letters, audience, people))
    assert receipt.rejected == {digest((each.external_id,)): "no_address" for each in people[2:]}
    with (tmp_path / "winter/members.csv").open(newline="") as file:
        rows = list(DictReader(file))
    assert rows == [
        {"id": "01", **home, "region": "", "country": "GB"},
        {"id": "2", "first_name": "", "last_name": "Lee", "street": "2 Low St", "city": "", "region": "", "postcode": "BA1", "country": ""},
    ]  # fmt: skip
    letters.apply(batch(letters, audience, [Person(external_id="01")], Operation.REMOVE, number=2))
    assert (tmp_path / "winter/changes-5ee15ee15ee15ee1-00002-remove.csv").read_text().split() == ["id", '"01"']
    assert letters.count(audience) == 1


def test_another_format_takes_the_members_along(tmp_path: Path) -> None:
    """The next change writes them in the new one, and nothing is left that somebody might go on with."""
    before, after = HashedFiles(directory=str(tmp_path)), HashedFiles(directory=str(tmp_path), format="parquet")
    audience, people = before.ensure_audience("vip"), crowd(5)
    before.apply(batch(before, audience, people))
    assert after.count(audience) == 5
    after.apply(batch(after, audience, people[:2], Operation.REMOVE, number=2))
    assert members(tmp_path / "vip") == keys_of(after, people[2:])
    assert {path.name for path in (tmp_path / "vip").glob("[!.]*")} == {
        "changes-5ee15ee15ee15ee1-00001-add.csv",
        "changes-5ee15ee15ee15ee1-00002-remove.parquet",
        "members.parquet",
    }
    after.forget(batch(after, "", people[:1]))
    assert str(key_of(after, people[0])[0]) not in (tmp_path / "vip/changes-5ee15ee15ee15ee1-00001-add.csv").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"platform": "meta", "format": "parquet"},
        {"platform": "tiktok", "form": "plain"},
        {"platform": "mail", "identifiers": ["email"]},
        {"identifiers": ["loyalty_id"]},
    ],
)
def test_what_a_platform_would_not_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        HashedFiles(**changes)
