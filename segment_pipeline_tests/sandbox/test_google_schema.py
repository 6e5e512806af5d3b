"""The sandbox's Google against the protos of Google's own SDK: the fields it knows, what it can read, and what it answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.ads import datamanager_v1 as sdk
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from segment_pipeline.sandbox.exchange import Refused
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sandbox.vendors.google import forms, messages
from segment_pipeline.sandbox.vendors.google.messages import Enum, Message
from segment_pipeline_tests.sandbox.google_schema import answered, sent
from segment_pipeline_tests.sandbox.vendors import Google, destination, ingestion, user

VENDOR = "google"
A, B = "a" * 64, "b" * 64
BODIES: dict[str, tuple[Message, Any]] = {
    "ingest": (forms.INGEST, sdk.IngestAudienceMembersRequest),
    "remove": (forms.REMOVE, sdk.RemoveAudienceMembersRequest),
    "removeAll": (forms.REMOVE_ALL, sdk.RemoveAllAudienceMembersRequest),
    "user list": (forms.USER_LIST, sdk.UserList),
}
QUERIES = ((forms.STATUS, sdk.RetrieveRequestStatusRequest, ()), (forms.LIST, sdk.ListUserListsRequest, ("parent",)),
           (forms.GET, sdk.GetUserListRequest, ("name",)), (forms.DELETE, sdk.DeleteUserListRequest, ("name",)),
           (forms.CREATE, sdk.CreateUserListRequest, ("parent", "userList")),
           (forms.UPDATE, sdk.UpdateUserListRequest, ("userList",)))  # fmt: skip
SCALARS = {
    FieldDescriptor.TYPE_STRING: messages.TEXT, FieldDescriptor.TYPE_BOOL: messages.FLAG,
    FieldDescriptor.TYPE_INT64: messages.INT64, FieldDescriptor.TYPE_INT32: messages.INT32,
    "google.protobuf.Timestamp": messages.INSTANT, "google.protobuf.Duration": messages.DURATION,
}  # fmt: skip


def differences(form: Message, proto: Descriptor, besides: tuple[str, ...] = ()) -> Iterator[str]:
    names = {field.json_name: field for field in proto.fields}
    yield from sorted(set(names) - set(besides) ^ set(form.fields))
    choices = [one for one in proto.oneofs if not one.name.startswith("_") and len(one.fields) > 1]
    if {field.json_name for one in choices for field in one.fields} != set(form.choice):
        yield f"{form.label}: {form.choice}"
    for name in set(names) & set(form.fields):
        yield from (f"{form.label}.{name}: {one}" for one in wrong(form.fields[name], names[name]))


def wrong(kind: Any, field: FieldDescriptor) -> Iterator[str]:
    if isinstance(kind, list) != field.is_repeated:
        yield "repeated"
    kind = kind[0] if isinstance(kind, list) else kind
    if isinstance(kind, Enum):
        yield from () if kind.names == tuple(value.name for value in field.enum_type.values) else kind.names
        yield from () if kind.label.endswith(f".v1.{field.enum_type.full_name.partition('.v1.')[2]}") else [kind.label]
    elif isinstance(kind, Message):
        yield from differences(kind, field.message_type)
    elif kind is messages.OPAQUE:
        yield from () if field.type == FieldDescriptor.TYPE_MESSAGE else ["no message"]
    elif kind is not SCALARS.get(field.message_type.full_name if field.message_type else field.type):
        yield kind.label


@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_the_fields_of_the_proto(name: str) -> None:
    form, proto = BODIES[name]
    assert list(differences(form, proto.pb().DESCRIPTOR)) == []


@pytest.mark.parametrize(("form", "proto", "elsewhere"), QUERIES)
def test_a_query_has_the_fields_that_are_not_in_path_and_body(form: Message, proto: Any, elsewhere: Any) -> None:
    found = list(differences(form, proto.pb().DESCRIPTOR, elsewhere))
    # A mask of fields is text in JSON.
    assert found == (["UpdateUserListRequest.updateMask: TYPE_STRING"] if form is forms.UPDATE else [])


def member(**data: Any) -> dict[str, Any]:
    return ingestion("1", [{"userData": {"userIdentifiers": [{"emailAddress": A}]}, **data}])


NEW = {"displayName": "a", "ingestedUserListInfo": {"uploadKeyTypes": ["CONTACT_ID"]}}
READ: list[tuple[str, dict[str, Any]]] = [
    ("ingest", ingestion("1", [user(emailAddress=[A, B], phoneNumber=A)])),
    ("ingest", ingestion("1", [], encoding=1, consent={"adUserData": 2}, validateOnly=True)),
    ("ingest", {"audience_members": [{"user_data": {"user_identifiers": [{"email_address": A}]}}]}),
    ("ingest", member(consent=None, destinationReferences=["x"])),
    *(("ingest", one) for one in (
        ingestion("1", [], encoding="hex"), ingestion("1", [], encoding="GRANTED"), ingestion("1", [], extra=1),
        ingestion("1", [], consent={"adUserData": "GRANTED"}), ingestion("1", [], validateOnly="yes"),
        ingestion("1", {}), ingestion("1", [{"userData": "x"}]), ingestion("1", [user(addressInfo={})]),
        ingestion("1", [{"userData": {"userIdentifiers": [{"emailAddress": A, "phoneNumber": B}]}}]),
        member(mobileData={"mobileIds": ["1"]}), member(destinationReferences="x"), member(destinationReferences=[1]),
        {"destinations": [destination("1", loginAccount={"accountType": "ADS"})]}, {"destinations": [destination(7)]},  # type: ignore[arg-type]
    )),
    ("remove", {"encoding": "BASE64"}), ("remove", {"consent": {}}), ("remove", {"termsOfService": {}}),
    *(("removeAll", {"removeAsOfTime": one}) for one in (
        "2018-01-01T12:00:00Z", "2018-01-01T12:00:00.123456789Z", "2018-01-01T12:00:00+01:00", "2018-01-01T12:00:00",
        "2018-01-01", 5)),
    *(("user list", NEW | {"membershipDuration": one}) for one in ("86400s", "1.5s", "1d", 86400)),
    *(("user list", NEW | {"id": one}) for one in ("12", 12, "x", True)),
    ("user list", {"ingestedUserListInfo": {"uploadKeyTypes": [1, "MOBILE_ID"]}}),
    ("user list", {"ingestedUserListInfo": {"uploadKeyTypes": "CONTACT_ID"}}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body"), READ)
def test_it_reads_what_the_proto_reads_and_nothing_else(name: str, body: dict[str, Any]) -> None:
    form, proto = BODIES[name]
    read = True
    try:
        messages.read(form, body)
    except Refused as refused:
        assert refused.status == 400
        read = False
    try:
        json_format.ParseDict(body, proto.pb()())
    except json_format.ParseError:
        assert not read
    else:
        assert read


def test_what_it_answers_is_what_the_proto_reads(server: SandboxServer) -> None:
    google = Google(server)
    server.record()
    audience = google.user_list()
    one = f"{google.lists}/{audience}"
    address = {"givenName": A, "familyName": B, "regionCode": "US", "postalCode": "94045", "addressLine": "?"}
    people = [user(emailAddress=A), user(emailAddress=B, address=address) | {"consent": {"adUserData": 2}}]
    taken = {"ingest": google.ingest(audience, people), "remove": google.remove(audience, people)}
    for verb, answer in {**taken, "removeAll": google.remove_all(audience)}.items():
        answered("POST", f"audienceMembers:{verb}", answer.json())
        for _ in range(2):
            told = google.call("GET", "requestStatus:retrieve", requestId=answer.json()["requestId"])
            answered("GET", "requestStatus:retrieve", told.json())
    assert [warning["field"] for warning in taken["ingest"].json()["fieldWarnings"]] == [
        "audience_members.audience_members[1].user_data.user_identifiers[1].address.address_line"
    ]
    answered("GET", google.lists, google.call("GET", google.lists, pageSize=1).json())
    answered("GET", one, google.call("GET", one).json())
    answered("PATCH", one, google.call("PATCH", one, {"description": "b"}, updateMask="description").json())
    assert google.call("DELETE", one).json() == {}
    assert sent(server.recorded("google")) == []


def test_a_request_and_an_answer_of_another_form_are_seen() -> None:
    asked = {"method": "POST", "path": "/google/v1/audienceMembers:ingest", "query": [], "body": '{"members": []}'}
    assert "members" in sent([asked])[0]
    assert sent([asked | {"path": "/google/v1/audienceMembers:replace"}]) == [
        "POST audienceMembers:replace: no call of the API"
    ]
    query = {"method": "GET", "path": "/google/v1/requestStatus:retrieve", "query": [["id", "1"]], "body": ""}
    assert len(sent([query])) == 1
    with pytest.raises(json_format.ParseError):
        answered("GET", "requestStatus:retrieve", {"status": "SUCCESS"})
