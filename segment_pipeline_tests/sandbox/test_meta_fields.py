"""Every answer of the sandbox's Meta against the models of Meta's own SDK: no field it does not know, each of its type."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.adobjects.customaudiencesession import CustomAudienceSession
from facebook_business.adobjects.customaudiencestatus import CustomAudienceStatus

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import Meta

VENDOR = "meta"
MARY = "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79"
# How the SDK's words for a type read in JSON; Graph shows numbers of 64 bits as text.
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "int": (int,), "unsigned int": (int,), "bool": (bool,), "map<string, int>": (dict,),
    "CustomAudienceStatus": (dict,), "list<string>": (list,), "float": (float, int),
}  # fmt: skip
# What the guide asks for and the SDK gives no type: Graph calls it by these names.
ENUMS = {
    "subtype": set(vars(CustomAudience.Subtype).values()),
    "customer_file_source": set(vars(CustomAudience.CustomerFileSource).values()),
}


@pytest.fixture
def meta(server: SandboxServer) -> Meta:
    return Meta(server)


def known(shown: Mapping[str, Any], model: Any) -> None:
    types = model._field_types
    assert set(shown) - {"id"} <= set(types), set(shown) - set(types)
    for name, value in shown.items():
        if name != "id":
            assert isinstance(value, TYPES[types[name]]), (name, value, types[name])
        assert name not in ENUMS or value in ENUMS[name], (name, value)


def asked(of: Iterable[str]) -> str:
    return ",".join(of)


def test_an_audience_is_one_the_sdk_knows(meta: Meta) -> None:
    shown = [
        "name",
        "account_id",
        "subtype",
        "description",
        "customer_file_source",
        "operation_status",
        "delivery_status",
    ]
    times = ["time_created", "time_updated", "time_content_updated"]
    made = meta.audience("of the models")
    one = meta.call("GET", f"/{made}", fields=asked([*shown, *times])).json()
    known(one, CustomAudience)
    assert {*shown, *times} - set(one) <= {"description"}
    for status in ("operation_status", "delivery_status"):
        known(one[status], CustomAudienceStatus)
    [listed] = [
        each
        for each in meta.call("GET", "/act_1001/customaudiences", fields=asked(shown), limit=500).json()["data"]
        if each["id"] == made
    ]
    known(listed, CustomAudience)


def test_an_account_and_its_terms_are_ones_the_sdk_knows(meta: Meta) -> None:
    fields = ["account_id", "name", "account_status", "currency", "tos_accepted", "user_tos_accepted"]
    shown = meta.call("GET", "/act_1001", fields=asked(fields)).json()
    known(shown, AdAccount)
    assert set(fields) <= set(shown)
    assert all(isinstance(entry, int) for terms in fields[-2:] for entry in shown[terms].values())


def test_a_session_is_one_the_sdk_knows(meta: Meta) -> None:
    made = meta.audience("of a session")
    session = {"session_id": 77, "batch_seq": 1, "last_batch_flag": True, "estimated_num_total": 1}
    told = meta.users("POST", made, ["EMAIL"], [[MARY]], session=session).json()
    # As the guide shows an upload's answer: numbers as text or not, and samples as a list or a map.
    assert set(told) == {"audience_id", "session_id", "num_received", "num_invalid_entries", "invalid_entry_samples"}
    [shown] = meta.call("GET", f"/{made}/sessions", session_id="77").json()["data"]
    known(shown, CustomAudienceSession)
    assert all(isinstance(value, str) for value in shown.values()), json.dumps(shown)


def test_a_field_the_sdk_does_not_know_is_seen() -> None:
    with pytest.raises(AssertionError):
        known({"id": "1", "size": 3}, CustomAudience)
    with pytest.raises(AssertionError):
        known({"id": "1", "subtype": "FIRST_PARTY"}, CustomAudience)
    with pytest.raises(AssertionError):
        known({"id": "1", "name": 3}, CustomAudience)
