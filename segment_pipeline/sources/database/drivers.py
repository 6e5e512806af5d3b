"""What a database holds and Python cannot: PostgreSQL's `infinity` and years before Christ, MySQL's zero dates, SQLite's texts of any bytes.

Its driver would give up the whole result for one of them, or hand out a text among times. Here such a day is NULL, as any other
that is none, and a row without the time it needs is then quarantined like every such row; a byte that is no UTF-8 is its escape.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import sqlalchemy as sa

POSTGRES_TIMES = ("Date", "Timestamp", "Timestamptz")


def lenient(engine: sa.Engine) -> sa.Engine:
    """The same engine, whose connections read such values so; other drivers' are left as they are."""
    if engine.dialect.driver == "psycopg":
        sa.event.listen(engine, "connect", _register)
    elif engine.dialect.driver == "pymysql":
        sa.event.listen(engine, "do_connect", _convert)
    elif engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _decode)
    return engine


def _register(connection: Any, _: Any) -> None:
    for name, loader in _postgres().items():
        connection.adapters.register_loader(name, loader)


def _decode(connection: Any, _: Any) -> None:
    connection.text_factory = partial(str, encoding="utf-8", errors="backslashreplace")


def _convert(_dialect: Any, _record: Any, _args: Any, given: dict[str, Any]) -> None:
    given.setdefault("conv", _mysql())


@cache
def _postgres() -> dict[str, Any]:
    """By type, as it comes over the wire in text: what cursors on the server's side are read by."""
    from psycopg import DataError
    from psycopg.types import datetime as types

    def within(loader: Any) -> Any:
        class Within(loader):  # type: ignore[misc]  # a driver's class, known when it is there
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except DataError:
                    return None

        return Within

    return {name.lower(): within(getattr(types, f"{name}Loader")) for name in POSTGRES_TIMES}


@cache
def _mysql() -> dict[Any, Any]:
    from pymysql import converters
    from pymysql.constants import FIELD_TYPE

    def within(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def found(text: Any) -> Any:
            value = read(text)
            # What it cannot read it hands out as it came.
            return None if isinstance(value, str | bytes) else value

        return found

    times = {FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP}
    return {kind: within(read) if kind in times else read for kind, read in converters.conversions.items()}
