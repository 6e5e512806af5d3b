"""Klaviyo's profiles: who an upsert is about, what it changes, and consent that lists and imports leave alone."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import Klaviyo, email, errors, phone, profile

NOON = datetime(2018, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("klaviyo"), vendors=["klaviyo"]) as server:
        yield server


@pytest.fixture
def klaviyo(server: SandboxServer) -> Iterator[Klaviyo]:
    server.set_clock(NOON)
    defaults = server.control("GET", "/klaviyo/settings")
    yield Klaviyo(server)
    server.control("PUT", "/klaviyo/settings", defaults)


def subscriptions(klaviyo: Klaviyo, address: str) -> dict[str, Any]:
    query = {"filter": f'equals(email,"{address}")', "additional-fields[profile]": "subscriptions"}
    [found] = klaviyo.call("GET", "/profiles", **query).json()["data"]
    held: dict[str, Any] = found["attributes"]["subscriptions"]
    return held


@pytest.mark.parametrize("name", ["email", "phone_number", "external_id"])
def test_an_upsert_finds_its_profile_by_any_identifier(klaviyo: Klaviyo, name: str) -> None:
    value = {"email": email, "phone_number": phone, "external_id": email}[name]()
    first, second = klaviyo.upsert(**{name: value}), klaviyo.upsert(**{name: value, "first_name": "Ann"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["data"]["id"] == second.json()["data"]["id"]


def test_e_mail_addresses_are_compared_without_case(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.upsert(email=address)
    assert klaviyo.upsert(email=address.upper()).status_code == 200


def test_null_clears_a_field_and_absence_leaves_it(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.upsert(email=address, first_name="Ann", last_name="Lee", properties={"tier": "gold", "size": 4})
    changed = klaviyo.upsert(email=address, first_name=None, properties={"tier": "silver"}).json()["data"]["attributes"]
    assert (changed["first_name"], changed["last_name"]) == (None, "Lee")
    assert changed["properties"] == {"tier": "silver", "size": 4}


def test_patch_properties_append_unappend_and_unset(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.upsert(email=address, properties={"tags": ["a", "b"], "old": 1})
    sent = profile(email=address)
    sent["meta"] = {"patch_properties": {"append": {"tags": "c"}, "unappend": {"tags": "a"}, "unset": "old"}}
    changed = klaviyo.call("POST", "/profile-import", sent).json()["data"]["attributes"]
    assert changed["properties"] == {"tags": ["b", "c"]}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"email": "broken"}, "/data/attributes/email"),
        ({"email": "a b@example.com"}, "/data/attributes/email"),
        ({"phone_number": "5551234567"}, "/data/attributes/phone_number"),
        ({"first_name": "Ann"}, "/data/attributes"),
        ({"external_id": "1", "shoe_size": 44}, "/data/attributes/shoe_size"),
    ],
)
def test_a_bad_profile_is_refused_at_once_with_a_pointer(
    klaviyo: Klaviyo, attributes: dict[str, Any], pointer: str
) -> None:
    answer = klaviyo.upsert(**attributes)
    assert (answer.status_code, errors(answer)) == (400, [("invalid", pointer)])


def test_creating_an_existing_profile_is_a_conflict_that_names_it(klaviyo: Klaviyo) -> None:
    address = email()
    existing = klaviyo.upsert(email=address).json()["data"]["id"]
    answer = klaviyo.call("POST", "/profiles", profile(email=address))
    assert (answer.status_code, errors(answer)) == (409, [("duplicate_profile", "/data/attributes")])
    assert answer.json()["errors"][0]["meta"]["duplicate_profile_id"] == existing


def test_an_import_matches_by_e_mail_first_and_anothers_phone_is_a_duplicate(klaviyo: Klaviyo) -> None:
    shared, ann, bob = phone(), email(), email()
    klaviyo.upsert(email=ann, phone_number=shared)
    klaviyo.upsert(email=bob)
    job = klaviyo.imported([profile(email=bob, phone_number=shared)])
    [[error]] = klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/import-errors")
    assert (job["attributes"]["failed_count"], error["attributes"]["code"]) == (1, "duplicate_profile")
    klaviyo.settings(conflicts="drop")
    assert klaviyo.imported([profile(email=bob, phone_number=shared)])["attributes"]["failed_count"] == 0
    [found] = klaviyo.call("GET", "/profiles", filter=f'equals(phone_number,"{shared}")').json()["data"]
    assert found["attributes"]["email"] == ann


def test_two_rows_of_one_import_about_one_person_make_one_profile(klaviyo: Klaviyo) -> None:
    identifier, address = klaviyo.new_list(), email()
    klaviyo.imported(
        [profile(email=address, first_name="A"), profile(email=address, external_id=f"x-{address}")], identifier
    )
    assert klaviyo.members(identifier) == [{"email": address, "external_id": f"x-{address}", "first_name": "A"}]


def test_a_profile_gives_up_an_old_address_when_it_gets_a_new_one(klaviyo: Klaviyo) -> None:
    old, new = email(), email()
    identifier = klaviyo.upsert(email=old).json()["data"]["id"]
    klaviyo.call("PATCH", f"/profiles/{identifier}", {**profile(email=new), "id": identifier})
    assert klaviyo.call("GET", "/profiles", filter=f'equals(email,"{old}")').json()["data"] == []
    assert klaviyo.upsert(email=old).status_code == 201


def test_profiles_are_looked_up_by_many_values_over_pages(klaviyo: Klaviyo) -> None:
    addresses = [email() for _ in range(50)]
    klaviyo.imported([profile(email=address) for address in addresses])
    query = 'any(email,["' + '","'.join(addresses) + '"])'
    pages = klaviyo.pages("/profiles", filter=query)
    assert [len(page) for page in pages] == [20, 20, 10]
    assert [one["attributes"]["email"] for page in pages for one in page] == addresses
    assert len(klaviyo.pages("/profiles", filter=query, **{"page[size]": 100})) == 1


@pytest.mark.parametrize("query", [{"filter": 'contains(email,"x")'}, {"filter": "any(email,x)"}, {"page[size]": 101}])
def test_a_wrong_query_is_a_400_that_names_the_parameter(klaviyo: Klaviyo, query: dict[str, Any]) -> None:
    answer = klaviyo.call("GET", "/profiles", **query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["parameter"] == next(iter(query))


def test_erasure_forgets_the_profile_and_its_memberships(klaviyo: Klaviyo) -> None:
    identifier, address = klaviyo.new_list(), email()
    klaviyo.imported([profile(email=address)], identifier)
    data: dict[str, Any] = {
        "type": "data-privacy-deletion-job",
        "attributes": {"profile": {"data": profile(email=address)}},
    }
    assert klaviyo.call("POST", "/data-privacy-deletion-jobs", data).status_code == 202
    assert klaviyo.members(identifier) == []
    assert klaviyo.call("GET", "/profiles", filter=f'equals(email,"{address}")').json()["data"] == []
    data["attributes"]["profile"]["data"]["attributes"]["phone_number"] = phone()
    assert klaviyo.call("POST", "/data-privacy-deletion-jobs", data).status_code == 400


def consent_job(kind: str, *addresses: str, wanted: str | None = None, **more: Any) -> dict[str, Any]:
    people = [profile(email=address) for address in addresses]
    data: dict[str, Any] = {"type": kind, "attributes": {"profiles": {"data": people}, **more}}
    if wanted is not None:
        data["relationships"] = {"list": {"data": {"type": "list", "id": wanted}}}
    return data


SUBSCRIBE, UNSUBSCRIBE = "profile-subscription-bulk-create-job", "profile-subscription-bulk-delete-job"


def test_joining_and_leaving_a_list_never_changes_consent(klaviyo: Klaviyo) -> None:
    identifier, address = klaviyo.new_list(), email()
    klaviyo.call("POST", f"/{UNSUBSCRIBE}s", consent_job(UNSUBSCRIBE, address))
    before = klaviyo.server.control("GET", "/klaviyo/consents")
    job = klaviyo.imported([profile(email=address)], identifier)
    people = [
        {"type": "profile", "id": one["id"]}
        for one in klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/profiles")[0]
    ]
    klaviyo.call("DELETE", f"/lists/{identifier}/relationships/profiles", people)
    assert klaviyo.server.control("GET", "/klaviyo/consents") == before
    assert subscriptions(klaviyo, address)["email"]["marketing"]["consent"] == "UNSUBSCRIBED"


def test_subscribing_answers_nothing_and_lifts_an_unsubscription(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.call("POST", f"/{UNSUBSCRIBE}s", consent_job(UNSUBSCRIBE, address))
    assert subscriptions(klaviyo, address)["email"]["marketing"]["can_receive_email_marketing"] is False
    answer = klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, address))
    assert (answer.status_code, answer.content) == (202, b"")
    marketing = subscriptions(klaviyo, address)["email"]["marketing"]
    assert (marketing["consent"], marketing["can_receive_email_marketing"], marketing["suppression"]) == (
        "SUBSCRIBED",
        True,
        [],
    )


def test_subscribing_joins_a_single_opt_in_list_at_once_and_a_double_one_only_historically(klaviyo: Klaviyo) -> None:
    single, double, address = klaviyo.new_list(), klaviyo.new_list(opt_in="double_opt_in"), email()
    for wanted in (single, double):
        klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, address, wanted=wanted))
    assert (len(klaviyo.members(single)), len(klaviyo.members(double))) == (1, 0)
    klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, address, wanted=double, historical_import=True))
    assert len(klaviyo.members(double)) == 1


def test_unsubscribing_a_member_is_for_the_list_and_a_stranger_for_everything(klaviyo: Klaviyo) -> None:
    identifier, member, stranger = klaviyo.new_list(), email(), email()
    klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, member, wanted=identifier))
    klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, stranger))
    klaviyo.call("POST", f"/{UNSUBSCRIBE}s", consent_job(UNSUBSCRIBE, member, stranger, wanted=identifier))
    assert klaviyo.members(identifier) == []
    assert subscriptions(klaviyo, member)["email"]["marketing"]["consent"] == "SUBSCRIBED"
    assert subscriptions(klaviyo, member)["email"]["marketing"]["list_suppressions"][0]["list_id"] == identifier
    assert subscriptions(klaviyo, stranger)["email"]["marketing"]["consent"] == "UNSUBSCRIBED"


def test_suppressing_is_lifted_by_unsuppressing(klaviyo: Klaviyo) -> None:
    address = email()
    for kind, reasons in (("create", ["USER_SUPPRESSED"]), ("delete", [])):
        name = f"profile-suppression-bulk-{kind}-job"
        assert klaviyo.call("POST", f"/{name}s", consent_job(name, address)).status_code == 202
        found = subscriptions(klaviyo, address)["email"]["marketing"]["suppression"]
        assert [one["reason"] for one in found] == reasons
