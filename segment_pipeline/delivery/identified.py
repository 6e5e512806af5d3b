"""What a destination that leaves the choice to its user knows members by: which identifiers, plain or hashed.

Knows no destination.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, get_args

from segment_pipeline.delivery.destination import IdentifierRule
from segment_pipeline.errors import ConfigError

Form = Literal["plain", "sha256"]
PERSONAL: Final = ("email", "phone")
USER_ID: Final = "user_id"


def identified(kinds: Sequence[str], form: Form, *, of: str) -> tuple[IdentifierRule, ...]:
    """The rules of these kinds, strongest first; `form` is that of e-mail and phone, ids go as they are.

    Columns are named as their kinds, one of `user_id:<source>` is `user_id`. Raises ConfigError for a kind nobody knows, for
    two of one column, and for none at all.
    """
    columns = [kind.partition(":")[0] for kind in kinds]
    if form not in get_args(Form):
        raise ConfigError(f"{of}: `form` is {form!r}: set one of {', '.join(get_args(Form))}")
    known = all(kind in (*PERSONAL, "external_id") or re.fullmatch(rf"{USER_ID}:.+", kind) for kind in kinds)
    if not columns or not known or len(set(columns)) < len(columns):
        raise ConfigError(
            f"{of}: `identifiers` are {list(kinds)}: name email, phone, external_id or user_id:<source>, each once at most"
        )
    forms = {column: form if column in PERSONAL else "plain" for column in columns}
    return tuple(
        IdentifierRule(column, kind, f"{column}/{forms[column]}/1") for column, kind in zip(columns, kinds, strict=True)
    )


def every(rules: Sequence[IdentifierRule]) -> bool:
    """Each user id of a person is a member of its own, where members are known by that alone."""
    return [rule.column for rule in rules] == [USER_ID]
