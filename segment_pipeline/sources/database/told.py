"""What a database's error means for whoever declared the table: what passes by itself, and what a person corrects.

A driver quotes the statement, its parameters and rows: only what kind of trouble it was leaves this.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from segment_pipeline.databases import locked_out
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError

# Drivers file nearly everything under OperationalError, a wrong statement and a broken line alike; their words tell them apart.
NOWHERE = re.compile(r"unable to open database|file is not a database|no such file or directory", re.IGNORECASE)
MISSING = re.compile(
    r"no such (table|column|function|view)|unknown (column|table)|doesn't exist|does not exist|invalid (object|column) name"
    r"|undefined ?(table|column)|command denied|permission denied|not authorized",
    re.IGNORECASE,
)
MISWRITTEN = re.compile(
    r"syntax|unterminated|incomplete input|unrecognized token|one statement|multiple statements|misuse of|ambiguous column|number of arguments",
    re.IGNORECASE,
)


@contextmanager
def told(where: str) -> Iterator[None]:
    """Raises TransientError for a connection that fails, ConfigError for a statement, table, user or URL that is wrong."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _meant(where, error) from None
    except exc.SQLAlchemyError as error:
        raise ContractError(f"{where}: the database's answer cannot be read ({type(error).__name__})") from None


def _meant(where: str, error: exc.DBAPIError) -> SegmentPipelineError:
    kind, said = type(error.orig).__name__, str(error.orig)
    operational = isinstance(error, exc.OperationalError | exc.InterfaceError)
    if locked_out(error):
        return ConfigError(f"{where}: the database let nobody in ({kind}): see user, password and database of its URL")
    if NOWHERE.search(said):
        return ConfigError(f"{where}: there is no database where its URL says ({kind}): correct the URL")
    if MISWRITTEN.search(f"{kind} {said}"):
        return ConfigError(
            f"{where}: the database cannot read what it is asked ({kind}): let `query` be one statement that selects,"
            " written as this database takes it"
        )
    if MISSING.search(f"{kind} {said}") or not (operational or error.connection_invalidated):
        return ConfigError(
            f"{where}: the database refused the query ({kind}): see that `table`, or what `query` reads, and the columns mapped are"
            " there, and that we may read them"
        )
    return TransientError(f"{where}: the database broke off or did not answer ({kind}): try again later")
