"""What HubSpot's refusals mean, of a request and of single records in it. Sends nothing."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from segment_pipeline import redact
from segment_pipeline.delivery.vendor import NotTaken, at, told
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

# A refusal of values lists them as JSON within its message, which holds the values too.
_WHAT: Final = re.compile(r'"error"\s*:\s*"([A-Z_]+)"')
_WHOSE: Final = re.compile(r'"name"\s*:\s*"([a-z][a-z0-9_]{0,99})"')
_ABSENT: Final = "PROPERTY_DOESNT_EXIST"
_DAY: Final = 3600.0


def refusal(name: str, answer: Response) -> SegmentPipelineError | None:
    status = answer.status_code
    if status == 429 and told(answer, "policyName", str) == "DAILY":
        return TransientError(f"{name} has used up its requests of the day: it is tried again later", retry_after=_DAY)
    if status in {423, 477}:
        return TransientError(f"{name} had locked what was asked for (HTTP {status}): it is tried again later")
    if status == 403 and (lacking := _lacking(answer)):
        return ConfigError(f"{name}'s key lacks {', '.join(lacking)}: give it these scopes")
    if status != 400:
        return None
    if told(answer, "subCategory", str) == "ILS.DUPLICATE_LIST_NAMES":
        return None
    message = told(answer, "message", str) or ""
    if absent := no_property(name, message):
        return absent
    if _WHAT.search(message):
        return RejectedRecords(f"{name} refused a batch for the values of some of its contacts: split the batch")
    category = redact.code(told(answer, "category", str))
    return NotTaken(f"{name} refused a request (HTTP 400, {category}): {redact.text(message)}")


def failed(name: str, answer: Any, places: Collection[str]) -> dict[str, str]:
    """What names a record → reason of those an answer fails; raises ConfigError where a property does not exist."""
    found: dict[str, str] = {}
    for error in answer.get("errors") or ():
        message = str(error.get("message", ""))
        if absent := no_property(name, message):
            raise absent
        what = _WHAT.search(message)
        reason = redact.code(what[1] if what else error.get("category")).lower()
        context: Mapping[str, Any] = error.get("context") or {}
        named = [one for key in ("objectWriteTraceId", "ids", "id") for one in _listed(context.get(key))]
        found |= {one: reason for one in named if one in places}
    return found


def all_read(name: str, answer: Any) -> None:
    """Raises TransientError where a reading of many records failed for some: what it does not show may be there."""
    for error in answer.get("errors") or ():
        if error.get("category") != "OBJECT_NOT_FOUND":
            category = redact.code(error.get("category"))
            raise TransientError(
                f"{name} could not read some contacts ({category}): they are asked for again", sent=True
            )


def no_property(name: str, message: str) -> ConfigError | None:
    if _ABSENT not in message:
        return None
    whose = " and ".join(dict.fromkeys(_WHOSE.findall(message))) or "of an attribute"
    return ConfigError(f"{name} has no contact property {whose}: create it there, or map its trait to another field")


def _listed(named: Any) -> list[Any]:
    return named if isinstance(named, list) else [named]


def _lacking(answer: Response) -> list[str]:
    context = (told(answer, "errors", list) or [{}])[0]
    try:
        scopes = at(context, "context", "requiredGranularScopes", of="", kind=list)
    except ContractError:
        return []
    return [redact.code(scope) for scope in scopes]
