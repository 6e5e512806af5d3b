"""Requests to Google's Data Manager, and its answers, against the protos of Google's own SDK."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from google.ads import datamanager_v1 as dm
from google.protobuf import json_format

LISTS = "accountTypes/[^/]+/accounts/[^/]+/userLists"
# What is sent (in the body, else in the query) and what is answered.
CALLS: Mapping[str, tuple[Any, Any]] = {
    "POST audienceMembers:ingest": (dm.IngestAudienceMembersRequest, dm.IngestAudienceMembersResponse),
    "POST audienceMembers:remove": (dm.RemoveAudienceMembersRequest, dm.RemoveAudienceMembersResponse),
    "POST audienceMembers:removeAll": (dm.RemoveAllAudienceMembersRequest, dm.RemoveAllAudienceMembersResponse),
    "GET requestStatus:retrieve": (dm.RetrieveRequestStatusRequest, dm.RetrieveRequestStatusResponse),
    f"GET {LISTS}": (dm.ListUserListsRequest, dm.ListUserListsResponse),
    f"POST {LISTS}": (dm.UserList, dm.UserList),
    f"GET {LISTS}/[0-9]+": (dm.GetUserListRequest, dm.UserList),
    f"PATCH {LISTS}/[0-9]+": (dm.UserList, dm.UserList),
}


def sent(recorded: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which of the recorded requests are none of the API's, and why."""
    return [f"{call}: {why}" for request in recorded if (call := _call(request)) and (why := _unread(request, call))]


def answered(method: str, path: str, content: Any) -> None:
    """Raises json_format.ParseError for an answer that is not the call's; `path` is below the version."""
    _read(content, next(protos[1] for call, protos in CALLS.items() if re.fullmatch(call, f"{method} {path}")))


def _call(request: Mapping[str, Any]) -> str:
    """`METHOD path`; none for what is no part of the API."""
    _, version, path = request["path"].partition("/v1/")
    return f"{request['method']} {path}" if version else ""


def _unread(request: Mapping[str, Any], call: str) -> str:
    proto = next((protos[0] for known, protos in CALLS.items() if re.fullmatch(known, call)), None)
    query = {name: value for name, value in request["query"] if not name.startswith("$")}
    if proto is None:
        return (
            "" if call.startswith("DELETE ") and re.fullmatch(f"DELETE {LISTS}/[0-9]+", call) else "no call of the API"
        )
    try:
        _read(json.loads(request["body"]) if request["body"] else query, proto)
    except (json_format.ParseError, ValueError) as error:
        return str(error)
    return ""


def _read(content: Any, proto: Any) -> None:
    json_format.ParseDict(content, proto.pb()())
