"""An SFTP server on loopback for as long as a block lasts, and the file that says what its host key is."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "till", "s3cr:t/x"


class _Server(asyncssh.SSHServer):
    def __init__(self, connections: list[Any]) -> None:
        self._connections = connections

    def connection_made(self, conn: Any) -> None:
        self._connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@contextmanager
def sftp(root: Path, key: Any, authorized: Path | None = None) -> Iterator[int]:
    """A server of `root` on loopback; its port."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []
    connections: list[Any] = []

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: _Server(connections), server_host_keys=[key],
            authorized_client_keys=str(authorized) if authorized else None,
            sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=str(root).encode()),
        )  # fmt: skip

    async def ended(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        for each in connections:
            each.abort()
        await asyncio.gather(*(each.wait_closed() for each in connections), acceptor.wait_closed())

    def run() -> None:
        asyncio.set_event_loop(loop)
        acceptor = loop.run_until_complete(serve())
        ports.append(acceptor.get_port())
        started.set()
        loop.run_forever()
        loop.run_until_complete(ended(acceptor))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


def known(path: Path, port: int, key: Any) -> Path:
    path.write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
    return path
