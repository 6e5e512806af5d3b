"""The sandbox as one ASGI application: each vendor under `/<vendor>`, and the control plane under `/_control`.

Which vendors there are, `vendors/` says: see `segment_pipeline.sandbox.registry`.

Control plane: `GET/PUT /_control/clock {"now": iso}` · `POST /_control/faults` (a list of rules, added to those in force),
`GET`, `DELETE` · `GET /_control/requests` (`{vendor: {"read", "write", "by_route", "faults"}}`), `DELETE` ·
`PUT /_control/recording {"on": true, "limit": 500}` and `GET /_control/recorded?vendor=` · `GET /_control/health`.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from datetime import UTC
from email.utils import format_datetime
from functools import wraps
from inspect import unwrap
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Message, Receive, Scope, Send

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.exchange import BODY, ROW_ERRORS, RowErrors
from segment_pipeline.sandbox.faults import ANSWERED, FaultBook, FaultRule, generic_response
from segment_pipeline.sandbox.journal import Journal
from segment_pipeline.sandbox.registry import NAMES, vendor_of
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.vendor import Vendor

ROUNDS_TO_NOTICE = 5000


class SandboxVendor:
    """One vendor over the sandbox's state."""

    def __init__(self, name: str, declared: Vendor, state: SandboxState) -> None:
        self.name = name
        self.declared = declared
        self.routes, self.control = declared.serve(state)

    def pattern(self, method: str, path: str) -> str:
        """The route's pattern, so that counts do not grow with ids; the path itself when nothing matches."""
        scope: Scope = {"type": "http", "path": path, "root_path": "", "method": method}
        for route in self.routes:
            if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
                return f"{method} {route.path.rstrip('/')}"
        return f"{method} (no route)"


class SandboxApp(Starlette):
    """Starlette with the faults and the counting around it, outside its own error handling."""

    def __init__(self, state: SandboxState, vendors: Sequence[SandboxVendor]) -> None:
        self.sandbox = state
        self.vendors = {vendor.name: vendor for vendor in vendors}
        self.faults = FaultBook()
        self.journal = Journal(self.vendors)
        mounts: list[BaseRoute] = [Mount(f"/_control/{v.name}", routes=v.control) for v in vendors if v.control]
        mounts.append(Mount("/_control", routes=self._control_routes()))
        mounts += [Mount(f"/{v.name}", routes=v.routes) for v in vendors]
        super().__init__(routes=mounts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        send = _dated(send, self.sandbox)
        content = await _read(receive)
        scope[BODY] = content
        replay = _replay(content, receive)
        path: str = scope["path"]
        vendor = self.vendors.get(path.split("/", 2)[1]) if path.startswith("/") else None
        if vendor is None:
            await super().__call__(scope, replay, send)
            return
        method: str = scope["method"]
        self.journal.count(
            vendor.name,
            vendor.pattern(method, path.removeprefix(f"/{vendor.name}") or "/"),
            write=method in vendor.declared.writes,
        )
        kept = self.journal.record(vendor.name, scope, content)
        rule = self.faults.pick(vendor.name, method, path, content)
        if rule is None:
            await super().__call__(scope, replay, send if kept is None else _answering(kept, send))
            return
        self.journal.count_fault(vendor.name, rule.kind)
        await self._misbehave(rule, vendor, scope, replay, send)

    async def _misbehave(
        self, rule: FaultRule, vendor: SandboxVendor, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if rule.kind in ANSWERED:
            scope["sandbox.fault_seconds"] = rule.seconds
            request = Request(scope, receive)
            own = vendor.declared.fault_response(rule.kind, request)
            await (own or generic_response(rule.kind, rule.seconds))(scope, receive, send)
        elif rule.kind == "slow":
            await asyncio.sleep(1.0 if rule.seconds is None else rule.seconds)
            await super().__call__(scope, receive, send)
        elif rule.kind == "row_errors":
            scope[ROW_ERRORS] = RowErrors(rule.every)
            await super().__call__(scope, receive, send)
        elif rule.kind == "reset":
            await _drop(send)
        else:
            messages: list[Message] = []
            await super().__call__(scope, receive, _keep(messages))
            if rule.kind == "truncated":
                await _send_half(messages, send)
            await _drop(send, flush=rule.kind == "truncated")

    def _control_routes(self) -> list[BaseRoute]:
        return [
            Route("/clock", self._clock, methods=["GET", "PUT"]),
            Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/requests", self._requests, methods=["GET", "DELETE"]),
            Route("/recording", self._recording, methods=["PUT"]),
            Route("/recorded", self._recorded, methods=["GET"]),
            Route("/health", self._health, methods=["GET"]),
        ]

    async def _clock(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self.sandbox.set_now(parse_instant(str((await request.json())["now"])))
            except ConfigError as error:
                return _refused(error)
        return JSONResponse({"now": self.sandbox.now().isoformat()})

    async def _faults(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self.faults.add(await request.json())
            except ConfigError as error:
                return _refused(error)
        elif request.method == "DELETE":
            self.faults.clear()
        return JSONResponse({"rules": [rule.describe() for rule in self.faults.rules]})

    async def _requests(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.journal.clear()
        return JSONResponse(self.journal.counts())

    async def _recording(self, request: Request) -> Response:
        asked: dict[str, Any] = await request.json()
        self.journal.switch(on=bool(asked.get("on", True)), limit=int(asked.get("limit", 500)))
        return JSONResponse({"on": self.journal.recording})

    async def _recorded(self, request: Request) -> Response:
        return JSONResponse({"requests": self.journal.recorded(request.query_params.get("vendor"))})

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "vendors": list(self.vendors), "home": str(self.sandbox.home)})


def create_app(home: Path, vendors: Sequence[str] | None = None) -> SandboxApp:
    """The sandbox over `home`; `vendors` None: all there are. Raises ConfigError for a vendor that is not one of `NAMES`."""
    unknown = set(vendors or ()) - set(NAMES)
    if unknown:
        raise ConfigError(f"the sandbox has no vendor {sorted(unknown)}: it has {list(NAMES)}")
    state = SandboxState(home)
    names = NAMES if vendors is None else vendors
    return SandboxApp(state, [SandboxVendor(name, vendor_of(name), state) for name in names])


def _refused(error: ConfigError) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


def _dated(send: Send, state: SandboxState) -> Send:
    """Answers tell the sandbox's time, not the machine's: a client may go by the other side's clock."""

    @wraps(send)
    async def dated(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = format_datetime(state.now().astimezone(UTC), usegmt=True)
            message["headers"] = [*message.get("headers", ()), (b"date", told.encode())]
        await send(message)

    return dated


def _answering(kept: dict[str, Any], send: Send) -> Send:
    """Keeps the answer beside the request, before it is sent: who asked finds it there once they have it."""
    answer: dict[str, Any] = {"status": 0, "body": ""}

    @wraps(send)
    async def answering(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer["status"] = message["status"]
        else:
            answer["body"] += message.get("body", b"").decode("utf-8", "replace")
        if not message.get("more_body", message["type"] == "http.response.start"):
            kept["answer"] = answer
        await send(message)

    return answering


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(content: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return replay


def _keep(messages: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        messages.append(message)

    return keep


async def _send_half(messages: Sequence[Message], send: Send) -> None:
    content = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
    await send(next(message for message in messages if message["type"] == "http.response.start"))
    await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})


async def _drop(send: Send, *, flush: bool = False) -> None:
    """Break the connection off; `flush` lets what was written reach the client first."""
    cycle = getattr(unwrap(send), "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise ConnectionResetError("the sandbox dropped this connection on purpose")
    if flush:
        transport.close()
    else:
        # Linger 0 turns the close into a TCP reset, which is what a crashed server or a cut line looks like.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    # The server must see the line cut before the application returns, or it would try to answer 500.
    for _ in range(ROUNDS_TO_NOTICE):
        if getattr(cycle, "disconnected", True):
            return
        await asyncio.sleep(0.001)
