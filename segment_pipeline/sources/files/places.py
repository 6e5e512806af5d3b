"""Where files are: a folder, an object store, an SFTP server, or whatever else fsspec opens. Lists and fetches; reads no content.

SFTP host keys are always verified: by `known_hosts`, and without an entry there is no connection.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from segment_pipeline.errors import ConfigError, TransientError

SSH = frozenset({"sftp", "ssh"})
# What programs call a file until it is whole.
UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".uploading")
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it is listed. `path`: within the root, which is what its rows have as `origin`; `modified_at` None: not said."""

    path: str
    size: int
    modified_at: datetime | None


class Place:
    """A root on a file system of fsspec."""

    def __init__(self, fs: Any, root: str, name: str) -> None:
        self._fs, self._root, self._name = fs, root.rstrip("/"), name
        self._local = type(fs).__name__ == "LocalFileSystem"

    def find(self, pattern: str) -> list[Found]:
        """Files that match, by path. Raises ConfigError when the root is not there or may not be read."""
        with self._told("listing its files"):
            if not self._fs.exists(self._root):
                raise ConfigError(f"{self._name}: its folder is not there: correct `root`, or create it")
            self._fs.invalidate_cache()
            listed = self._fs.glob(f"{self._root}/{pattern}", detail=True)
        found = []
        for path, info in listed.items():
            name = PurePosixPath(path).name
            if info.get("type") == "directory" or name.startswith(".") or name.endswith(UNFINISHED):
                continue
            found.append(Found(path.removeprefix(self._root).lstrip("/"), info.get("size") or 0, _modified(info)))
        return sorted(found, key=lambda each: each.path)

    def look(self, path: str) -> Found:
        """A file as it is now."""
        with self._told(f"looking at {path}"):
            self._fs.invalidate_cache()
            info = self._fs.info(f"{self._root}/{path}")
        return Found(path, info.get("size") or 0, _modified(info))

    @contextmanager
    def local(self, path: str, folder: Path) -> Iterator[tuple[Path, str, int]]:
        """A file on this machine for as long as it is read, the SHA-256 of its content, and how many bytes that is."""
        digest, size = hashlib.sha256(), 0
        here = Path(f"{self._root}/{path}") if self._local else folder / f".fetching-{PurePosixPath(path).name}"
        try:
            with self._told(f"reading {path}"), self._fs.open(f"{self._root}/{path}", "rb") as stream:
                if self._local:
                    while block := stream.read(BLOCK):
                        digest.update(block)
                        size += len(block)
                else:
                    with here.open("wb") as kept:
                        while block := stream.read(BLOCK):
                            digest.update(block)
                            size += len(block)
                            kept.write(block)
            yield here, digest.hexdigest(), size
        finally:
            if not self._local:
                here.unlink(missing_ok=True)

    def close(self) -> None:
        """Connections are closed when nothing refers to the file system any more."""
        self._fs = None

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (ConfigError, TransientError):
            raise
        except PermissionError:
            raise ConfigError(
                f"{self._name}: {doing} is not allowed: see who may read it, and as whom we ask"
            ) from None
        except FileNotFoundError:
            raise TransientError(f"{self._name}: {doing}: it is not there any more, try again") from None
        except (OSError, TimeoutError) as error:
            raise TransientError(f"{self._name}: {doing} failed ({type(error).__name__}): try again later") from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] in {"asyncssh", "botocore", "aiobotocore", "aiohttp", "gcsfs"}:
                raise TransientError(
                    f"{self._name}: {doing} failed ({type(error).__name__}): try again later"
                ) from None
            raise


def opened(root: str, name: str, *, password: str, key_file: str, host_keys: str, options: dict[str, Any]) -> Place:
    """The place a root names. Raises ConfigError for one that cannot be opened as declared."""
    parts = urlsplit(root)
    if parts.password:
        raise ConfigError(f"{name}: a password is part of `root`: leave it out, and hand it in as `password`")
    if parts.scheme in SSH:
        return _ssh(root, name, password=password, key_file=key_file, host_keys=host_keys)
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(root, **options)
    except (ImportError, ValueError) as error:
        said = (
            f"pip install what fsspec needs for {parts.scheme}:// ({error.name})"
            if isinstance(error, ImportError) and error.name
            else "see fsspec's list of protocols"
        )
        raise ConfigError(f"{name}: {parts.scheme or 'that'}:// cannot be opened: {said}") from None
    return Place(fs, path, name)


def _ssh(root: str, name: str, *, password: str, key_file: str, host_keys: str) -> Place:
    try:
        import asyncssh
        from sshfs import SSHFileSystem
    except ImportError:
        raise ConfigError(f"{name}: sftp:// needs an extra package: pip install 'segment-pipeline[files]'") from None
    parts = urlsplit(root)
    known = Path(host_keys).expanduser()
    if not known.is_file():
        raise ConfigError(
            f"{name}: there is no file of known host keys: make one (ssh-keyscan {parts.hostname}), compare its key with"
            " what the server's owner says, and name it as `host_keys`"
        )
    said: dict[str, Any] = {"known_hosts": str(known), "port": parts.port or 22, "timeout": 60}
    if parts.username:
        said["username"] = unquote(parts.username)
    if password:
        said["password"] = password
    said["client_keys"] = [str(Path(key_file).expanduser())] if key_file else None if password else ()
    try:
        # Of its own accord SSHFileSystem verifies nothing: `known_hosts` must always be said.
        fs = SSHFileSystem(parts.hostname, skip_instance_cache=True, **said)
    except asyncssh.HostKeyNotVerifiable:
        raise ConfigError(
            f"{name}: the host key of {parts.hostname} is not among the known ones: if the server's key was changed on"
            f" purpose, put the new one into `host_keys`; if not, somebody else answers there"
        ) from None
    except (asyncssh.PermissionDenied, asyncssh.KeyImportError, PermissionError):
        raise ConfigError(f"{name}: {parts.hostname} refused to let us in: see user, password and key") from None
    except (asyncssh.Error, OSError, TimeoutError) as error:
        raise TransientError(
            f"{name}: {parts.hostname} did not answer ({type(error).__name__}): try again later"
        ) from None
    return Place(fs, unquote(parts.path) or ".", name)


def _modified(info: dict[str, Any]) -> datetime | None:
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        match info.get(name):
            case datetime() as when:
                return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
            case int() | float() as seconds:
                return datetime.fromtimestamp(seconds, UTC)
            case str() as text:
                try:
                    return datetime.fromisoformat(text).astimezone(UTC)
                except ValueError:
                    continue
    return None
