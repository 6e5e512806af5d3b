"""File systems by URL: a folder, an object store, an SFTP server, or whatever else fsspec opens; and what their errors mean.

SFTP host keys are always verified: by `known_hosts`, and without an entry there is no connection.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from segment_pipeline.errors import ConfigError, TransientError

SSH = frozenset({"sftp", "ssh"})


@dataclass(frozen=True, slots=True)
class Access:
    """How one is let in: to SFTP by `password` or `key_file`; `host_keys`: a file of known ones. `options`: what fsspec is told."""

    password: str = field(default="", repr=False)
    key_file: str = ""
    host_keys: str = "~/.ssh/known_hosts"
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def opened(root: str, name: str, access: Access, *, setting: str) -> tuple[Any, str]:
    """The file system of a root, and its path there; `setting` is where a person finds the root.

    Raises ConfigError for one that cannot be opened as declared, TransientError for a server that does not answer.
    """
    parts = urlsplit(root)
    if parts.password:
        raise ConfigError(f"{name}: a password is part of {setting}: leave it out, and hand it in as `password`")
    if parts.scheme in SSH:
        return _ssh(root, name, access)
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(root, **access.options)
    except (ImportError, ValueError) as error:
        said = (
            f"pip install what fsspec needs for {parts.scheme}:// ({error.name})"
            if isinstance(error, ImportError) and error.name
            else "see fsspec's list of protocols"
        )
        raise ConfigError(f"{name}: {parts.scheme or 'that'}:// cannot be opened: {said}") from None
    return fs, path


@contextmanager
def told(name: str, doing: str) -> Iterator[None]:
    """Raises ConfigError for what is not allowed, TransientError for what may pass; neither quotes the other side."""
    try:
        yield
    except (ConfigError, TransientError):
        raise
    except PermissionError:
        raise ConfigError(f"{name}: {doing} is not allowed: see who may do so, and as whom we ask") from None
    except FileNotFoundError:
        raise TransientError(f"{name}: {doing}: it is not there any more, try again") from None
    except OSError as error:
        raise TransientError(f"{name}: {doing} failed ({type(error).__name__}): try again later") from None
    except Exception as error:
        # What libraries raise beside OSError, none of which need be installed here.
        if type(error).__module__.partition(".")[0] in {"asyncssh", "botocore", "aiobotocore", "aiohttp", "gcsfs"}:
            raise TransientError(f"{name}: {doing} failed ({type(error).__name__}): try again later") from None
        raise


def _ssh(root: str, name: str, access: Access) -> tuple[Any, str]:
    try:
        import asyncssh
        from sshfs import SSHFileSystem
    except ImportError:
        raise ConfigError(f"{name}: sftp:// needs an extra package: pip install 'segment-pipeline[files]'") from None
    parts = urlsplit(root)
    known = Path(access.host_keys).expanduser()
    if not known.is_file():
        raise ConfigError(
            f"{name}: there is no file of known host keys: make one (ssh-keyscan {parts.hostname}), compare its key with"
            " what the server's owner says, and name it as `host_keys`"
        )
    said: dict[str, Any] = {"known_hosts": str(known), "port": parts.port or 22, "timeout": 60}
    if parts.username:
        said["username"] = unquote(parts.username)
    if access.password:
        said["password"] = access.password
    keys = [str(Path(access.key_file).expanduser())] if access.key_file else None if access.password else ()
    said["client_keys"] = keys
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
    except (asyncssh.Error, OSError) as error:
        raise TransientError(
            f"{name}: {parts.hostname} did not answer ({type(error).__name__}): try again later"
        ) from None
    return fs, unquote(parts.path) or "."
