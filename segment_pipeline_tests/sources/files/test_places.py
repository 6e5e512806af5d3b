"""Files on an SFTP server, whose host key is verified, and in a bucket; each a real server on loopback."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.settings import Settings
from segment_pipeline.sources.files.connector import Files
from segment_pipeline_tests.s3 import bucket
from segment_pipeline_tests.sources.files.till import HEADER, JUNE, Drop, rows, till
from segment_pipeline_tests.ssh import PASSWORD, known, sftp

LINE = "1;A;1;1,50;05/06/2017 09:30;ada;NL"


def source(port: int, hosts: Path, **changes: Any) -> Files:
    declared = {"password": PASSWORD, "host_keys": str(hosts), **changes}
    return replace(till(f"sftp://till@127.0.0.1:{port}/exports"), **declared)


def test_files_of_an_sftp_server_land_and_only_from_the_host_that_is_known(
    lake: Lake, settings: Settings, drop: Drop, tmp_path: Path
) -> None:
    key, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    drop("exports/sales-1.csv", HEADER, LINE)
    drop("exports/sales-2.csv.filepart", HEADER, LINE)
    with sftp(drop.folder, key) as port:
        hosts = known(tmp_path / "known", port, key)
        assert ingest(lake, source(port, hosts), "sales", JUNE, settings, "first").received == 1
        assert rows(lake, "orders", "order_key, origin") == [("1", "sales-1.csv")]
        assert ingest(lake, source(port, hosts), "sales", JUNE, settings, "second").received == 0
        assert not [path for path in settings.raw.rglob("*") if path.name.startswith(".fetching")]

        strange = known(tmp_path / "strange", port, other)
        with pytest.raises(ConfigError, match="the host key of 127.0.0.1 is not among the known ones"):
            source(port, strange).check()
        with pytest.raises(ConfigError, match="there is no file of known host keys"):
            source(port, tmp_path / "nowhere").check()
        with pytest.raises(ConfigError, match="refused to let us in") as caught:
            source(port, hosts, password="wr0ng").check()
        assert "wr0ng" not in str(caught.value)
        assert PASSWORD not in repr(source(port, hosts))
    with pytest.raises(TransientError, match="did not answer"):
        source(port, hosts).check()


def test_a_key_file_lets_in_without_a_password(lake: Lake, settings: Settings, drop: Drop, tmp_path: Path) -> None:
    host, mine = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    mine.write_private_key(str(tmp_path / "id"))
    mine.write_public_key(str(tmp_path / "authorized"))
    drop("exports/sales-1.csv", HEADER, LINE)
    with sftp(drop.folder, host, tmp_path / "authorized") as port:
        hosts = known(tmp_path / "known", port, host)
        let_in = source(port, hosts, password="", key_file=str(tmp_path / "id"))
        assert ingest(lake, let_in, "sales", JUNE, settings, "run").received == 1


def test_a_password_in_the_address_is_refused_and_so_is_a_place_nobody_can_open() -> None:
    with pytest.raises(ConfigError, match="a password is part of `root`") as caught:
        till("sftp://till:hunter2@127.0.0.1/x").check()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be opened"):
        till("nonsense://x/y").check()
    with pytest.raises(ConfigError, match="its folder is not there"):
        till("/nowhere/at/all").check()


def test_a_pattern_that_matches_nothing_is_found_by_check(drop: Drop) -> None:
    with pytest.raises(ConfigError, match=r"till/sales: no file is called sales-\*\.csv"):
        till(drop.folder).check()
    drop("sales-1.csv", HEADER)
    till(drop.folder).check()


def test_files_of_a_bucket_land_and_a_changed_object_replaces_its_rows(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Objects are as old as the test, and the clock stands: what is a moment old is not asked here.
    with bucket(monkeypatch, "exports") as (client, address):

        def put(*lines: str) -> None:
            client.put_object(Bucket="exports", Key="till/sales-1.csv", Body="\n".join([HEADER, *lines]).encode())

        exports = replace(till("s3://exports/till"), options={"endpoint_url": address})
        put(LINE)
        assert ingest(lake, exports, "sales", JUNE, settings, "first").received == 1
        assert ingest(lake, exports, "sales", JUNE, settings, "second").received == 0
        put(LINE.replace("1;A", "2;A"), LINE.replace("1;A", "3;A"))
        assert ingest(lake, exports, "sales", JUNE, settings, "third").received == 2
        assert rows(lake, "orders", "order_key, origin") == [("2", "sales-1.csv"), ("3", "sales-1.csv")]
