"""Misbehaviour on demand: rules that make chosen requests fail the way networks and vendors do.

A rule is JSON: `{vendor, path_regex?, method?, kind, rate | times, after?, seconds?, every?, seed?}`.

- `vendor`: whose requests; `*` for all. `path_regex`: searched in the path with the vendor's prefix. `method`: one HTTP method.
- `kind`: `429`, `500`, `503`, `504` and `expired_token` are answered in the vendor's own form without carrying the request out;
  `slow` waits `seconds` (default 1) and goes on; `reset` drops the connection before, `lost_response` after the request was
  carried out; `truncated` carries it out and sends half of the answer; `row_errors` makes every `every`-th row (default 10)
  fail in the form the vendor has for that, but of none that it took in the same request before, unheard: it takes those again.
- `times`: fires on that many matching requests, then never again; `rate`: the share of matching requests (seeded random).
  Neither: always. `after`: the number of matching requests let through first.
- `seconds`: also what a `429` tells the client to wait.
"""

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.exchange import Refused

KINDS = frozenset(
    {"429", "500", "503", "504", "slow", "reset", "lost_response", "truncated", "row_errors", "expired_token"},
)
UNHEARD = frozenset({"lost_response", "truncated"})
ANSWERED = frozenset({"429", "500", "503", "504", "expired_token"})
FIELDS = frozenset({"vendor", "path_regex", "method", "kind", "rate", "times", "after", "seconds", "every", "seed"})


class FaultForm(Protocol):
    """A vendor's own form of a kind in `ANSWERED`; None leaves it to the generic one."""

    def __call__(self, kind: str, request: Request) -> Response | None: ...


@dataclass(slots=True)
class FaultRule:
    """One rule with its counters."""

    vendor: str
    kind: str
    path: re.Pattern[str]
    method: str | None
    rate: float | None
    times: int | None
    after: int
    seconds: float | None
    every: int
    chance: random.Random
    seen: int = 0
    fired: int = 0

    @classmethod
    def parse(cls, rule: Mapping[str, Any]) -> "FaultRule":
        """Raises ConfigError when the rule is not one this module's docstring describes."""
        unknown = set(rule) - FIELDS
        wrong = {
            f"has unknown fields {sorted(unknown)}: it takes {sorted(FIELDS)}": bool(unknown),
            f"has an unknown kind: it takes one of {sorted(KINDS)}": rule.get("kind") not in KINDS,
            "names no vendor: give its name, or * for all": "vendor" not in rule,
            "has both rate and times: give one of them": "rate" in rule and "times" in rule,
            "has a rate that is not between 0 and 1": not 0 <= float(rule.get("rate", 0)) <= 1,
            "has an every below 1": int(rule.get("every", 1)) < 1,
        }
        for problem, found in wrong.items():
            if found:
                raise ConfigError(f"a fault rule {problem}")
        try:
            path = re.compile(rule.get("path_regex") or "")
        except re.error:
            raise ConfigError("a fault rule's path_regex is not a regular expression") from None
        return cls(
            vendor=str(rule["vendor"]),
            kind=str(rule["kind"]),
            path=path,
            method=str(rule["method"]).upper() if rule.get("method") else None,
            rate=float(rule["rate"]) if "rate" in rule else None,
            times=int(rule["times"]) if "times" in rule else None,
            after=int(rule.get("after", 0)),
            seconds=float(rule["seconds"]) if "seconds" in rule else None,
            every=int(rule.get("every", 10)),
            chance=random.Random(int(rule.get("seed", 7))),
        )

    def fires(self, vendor: str, method: str, path: str) -> bool:
        """Whether this rule applies to the request; counts it either way."""
        if self.vendor not in ("*", vendor) or self.method not in (None, method) or not self.path.search(path):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.fired >= self.times):
            return False
        if self.rate is not None and self.chance.random() >= self.rate:
            return False
        self.fired += 1
        return True

    def describe(self) -> dict[str, object]:
        told = {"vendor": self.vendor, "kind": self.kind, "path_regex": self.path.pattern}
        return told | {"seen": self.seen, "fired": self.fired}


@dataclass(slots=True)
class FaultBook:
    """The rules in force. Used from the event loop only."""

    rules: list[FaultRule] = field(default_factory=list)
    _unheard: set[bytes] = field(default_factory=set)

    def add(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Raises ConfigError, and adds none, when one of them is wrong."""
        self.rules.extend([FaultRule.parse(rule) for rule in rules])

    def clear(self) -> None:
        """No rules any more, and nothing known of what went unheard under them."""
        self.rules.clear()
        self._unheard.clear()

    def pick(self, vendor: str, method: str, path: str, content: bytes) -> FaultRule | None:
        """The first rule that fires on this request."""
        same = hashlib.sha256(f"{vendor} {method} {path} ".encode() + content).digest()
        for rule in self.rules:
            if rule.kind == "row_errors" and same in self._unheard:
                continue
            if rule.fires(vendor, method, path):
                if rule.kind in UNHEARD:
                    self._unheard.add(same)
                return rule
        return None


def generic_response(kind: str, seconds: float | None) -> Response:
    """The answer of a vendor that has no form of its own for this kind."""
    status = {"429": 429, "500": 500, "503": 503, "504": 504, "expired_token": 401}[kind]
    headers = {"Retry-After": f"{seconds:g}"} if kind == "429" and seconds is not None else None
    return JSONResponse({"error": kind}, status_code=status, headers=headers)


def answered(
    errors: Callable[[float], Mapping[str, Refused]], *, seconds: float, media_type: str | None = None
) -> FaultForm:
    """The form of a vendor that has an error of its own for each kind; `errors` gets the seconds a `429` is to name."""

    def form(kind: str, request: Request) -> Response | None:
        said = errors(wait_of(request, seconds)).get(kind)
        return None if said is None else said.response(media_type=media_type)

    return form


def wait_of(request: Request, default: float) -> float:
    """The seconds a `429` on this request is to name: the rule's `seconds`, else the vendor's default."""
    seconds: float | None = request.scope.get("sandbox.fault_seconds")
    return default if seconds is None else seconds
