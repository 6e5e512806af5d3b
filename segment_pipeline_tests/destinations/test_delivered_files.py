"""Files delivered to an SFTP server or a bucket: there as they are kept here, whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from segment_pipeline.delivery.destination import Operation
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.testing.batches import batch, crowd, keys_of
from segment_pipeline_tests.destinations.test_files import members
from segment_pipeline_tests.s3 import bucket
from segment_pipeline_tests.ssh import PASSWORD, USER, known, sftp


def under(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def delivering(tmp_path: Path, **changes: Any) -> Iterator[tuple[HashedFiles, Path]]:
    """To an SFTP server, and where its files are."""
    key, there = asyncssh.generate_private_key("ssh-ed25519"), tmp_path / "there"
    (there / "in").mkdir(parents=True)
    with sftp(there, key) as port:
        hosts = known(tmp_path / "known", port, key)
        declared = {"password": PASSWORD, "host_keys": str(hosts), "platform": "snapchat", **changes}
        files = HashedFiles(directory=str(tmp_path / "here"), target=f"sftp://{USER}@127.0.0.1:{port}/in", **declared)
        yield files, there / "in"
        files.close()


def test_what_is_delivered_by_sftp_is_what_is_kept(tmp_path: Path) -> None:
    """Every file, lists too; what was half uploaded under another name is no file of anybody's."""
    with delivering(tmp_path) as (files, there):
        files.check()
        assert under(there) == {}
        audience = files.ensure_audience("vip")
        files.apply(batch(files, audience, crowd(9)))
        files.apply(batch(files, audience, crowd(4), Operation.REMOVE, number=2))
        list(files.replace([batch(files, audience, crowd(7, first=3), number=3)]))
        files.forget(batch(files, "", crowd(1, first=5)))
        kept = {name: held for name, held in under(tmp_path / "here").items() if "/." not in name}
        assert len(kept) == 4 * 3
        assert under(there) == kept
        files.delete(audience)
        assert under(there) == {}


def test_a_file_that_cannot_be_delivered_is_not_kept_either(tmp_path: Path) -> None:
    """What is gone by is what arrived: the batch is sent again, and whoever was to be forgotten is found again."""
    with delivering(tmp_path) as (files, there):
        audience, folder = files.ensure_audience("vip"), tmp_path / "here/vip"
        files.apply(batch(files, audience, crowd(3)))
        before = under(folder)
        (there / "vip").rename(tmp_path / "away")
        (there / "vip").write_text("in the way")
        with pytest.raises(TransientError, match="delivering .* failed") as caught:
            files.apply(batch(files, audience, crowd(2, first=3), number=2))
        assert caught.value.sent
        with pytest.raises(TransientError, match="delivering .* failed"):
            files.forget(batch(files, "", crowd(1)))
        assert under(folder) == before
        (there / "vip").unlink()
        (tmp_path / "away").rename(there / "vip")
        files.apply(batch(files, audience, crowd(2, first=3), number=2))
        assert members(there / "vip", "snapchat") == keys_of(files, crowd(5))


def test_a_host_that_is_not_known_gets_nothing(tmp_path: Path) -> None:
    with delivering(tmp_path) as (files, there):
        (tmp_path / "known").write_text(
            known(tmp_path / "other", 1, asyncssh.generate_private_key("ssh-ed25519")).read_text()
        )
        with pytest.raises(ConfigError, match="is not among the known ones"):
            files.check()
    with delivering(tmp_path / "2", password="wr0ng") as (files, there):
        with pytest.raises(ConfigError, match="refused to let us in") as caught:
            files.ensure_audience("vip")
        assert "wr0ng" not in str(caught.value) + repr(files)
        assert under(there) == {}


def test_what_is_delivered_to_a_bucket_is_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket(monkeypatch, "exports") as (client, address):

        def there() -> dict[str, bytes]:
            listed = client.list_objects_v2(Bucket="exports").get("Contents", [])
            held = {each["Key"]: client.get_object(Bucket="exports", Key=each["Key"])["Body"] for each in listed}
            return {key.removeprefix("in/"): body.read() for key, body in held.items()}

        files = HashedFiles(
            directory=str(tmp_path), target="s3://exports/in", options={"endpoint_url": address}, format="parquet"
        )
        files.check()
        assert there() == {}
        audience = files.ensure_audience("vip")
        files.apply(batch(files, audience, crowd(9)))
        files.apply(batch(files, audience, crowd(4), Operation.REMOVE, number=2))
        assert there() == {name: held for name, held in under(tmp_path).items() if "/." not in name}
        assert len(there()) == 3
        files.delete(audience)
        assert there() == {}
        with pytest.raises(TransientError, match="delivering"):
            HashedFiles(
                directory=str(tmp_path), target="s3://nowhere", options={"endpoint_url": address}
            ).ensure_audience("another")
