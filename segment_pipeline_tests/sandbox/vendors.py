"""A destination vendor's sandbox with a plain HTTP client: what a test needs to speak to it as documented."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from segment_pipeline.sandbox.server import SandboxServer

META_TOKEN = "sandbox-meta-token"
# HMAC-SHA256 of the token with the app's secret, worked out with OpenSSL.
META_PROOF = "5191aaf1b5832c2502120dd24fd4f63f2c2508e495dc0027b23ee67897fbbe57"


@contextmanager
def serving(home: Path, vendor: str) -> Iterator[SandboxServer]:
    with SandboxServer(home, vendors=[vendor]) as server:
        yield server


def members(server: SandboxServer, vendor: str, identifier: str) -> list[dict[str, Any]]:
    """What the vendor holds of everybody on the list, without ids."""
    found = server.control("GET", f"/{vendor}/lists/{identifier}")["members"]
    return [{name: value for name, value in member.items() if name != "id"} for member in found]


class Meta:
    """Graph calls with a token and its proof."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.base = f"{server.base_url}/meta/v27.0"
        self.auth = {"access_token": META_TOKEN, "appsecret_proof": META_PROOF}

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> requests.Response:
        return requests.request(method, f"{self.base}{path}", params={**self.auth, **query}, json=body, timeout=30)

    def audience(self, name: str = "a") -> str:
        created = self.call(
            "POST",
            "/act_1001/customaudiences",
            {"name": name, "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"},
        )
        assert created.status_code == 200, created.text
        identifier: str = created.json()["id"]
        return identifier

    def users(self, method: str, audience: str, schema: Any, data: Any, **more: Any) -> requests.Response:
        return self.call(method, f"/{audience}/users", {"payload": {"schema": schema, "data": data}, **more})

    def replace(
        self, audience: str, session: int, sequence: int, data: Any, *, last: bool = False
    ) -> requests.Response:
        return self.call(
            "POST",
            f"/{audience}/usersreplace",
            {
                "payload": {"schema": "EXTERN_ID", "data": data},
                "session": {"session_id": session, "batch_seq": sequence, "last_batch_flag": last},
            },
        )

    def rows(self, audience: str) -> list[dict[str, str]]:
        """The keys of every row the audience holds."""
        return sorted(members(self.server, "meta", audience), key=lambda keys: sorted(keys.items()))

    def settings(self, **values: Any) -> None:
        self.server.control("PUT", "/meta/settings", values)


class Klaviyo:
    """Calls with the key and the newest revision."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.base = f"{server.base_url}/klaviyo/api"
        self.headers = {"Authorization": "Klaviyo-API-Key pk_sandbox", "revision": "2026-10-15"}

    def call(self, method: str, path: str, data: Any = None, **query: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.base}{path}"
        body = None if data is None else {"data": data}
        return requests.request(method, url, headers=self.headers, params=query, json=body, timeout=30)

    def new_list(self, name: str = "a", opt_in: str = "single_opt_in") -> str:
        created = self.call("POST", "/lists", {"type": "list", "attributes": {"name": name, "opt_in_process": opt_in}})
        assert created.status_code == 201, created.text
        identifier: str = created.json()["data"]["id"]
        return identifier

    def open_import(self, profiles: Any, *lists: str) -> requests.Response:
        return self.call("POST", "/profile-bulk-import-jobs", import_of(profiles, *lists))

    def imported(self, profiles: Any, *lists: str) -> dict[str, Any]:
        """The finished job."""
        opened = self.open_import(profiles, *lists)
        assert opened.status_code == 202, opened.text
        path = f"/profile-bulk-import-jobs/{opened.json()['data']['id']}"
        for _ in range(5):
            job: dict[str, Any] = self.call("GET", path).json()["data"]
            if job["attributes"]["status"] == "complete":
                return job
        raise AssertionError("the job never completed")

    def upsert(self, **attributes: Any) -> requests.Response:
        return self.call("POST", "/profile-import", profile(**attributes))

    def pages(self, path: str, **query: Any) -> list[list[dict[str, Any]]]:
        """Every page, following `links.next`."""
        found = []
        answer = self.call("GET", path, **query).json()
        found.append(answer["data"])
        while "next" in answer["links"]:
            answer = self.call("GET", answer["links"]["next"]).json()
            found.append(answer["data"])
        return found

    def members(self, identifier: str) -> list[dict[str, Any]]:
        """The list's profiles without their ids."""
        return members(self.server, "klaviyo", identifier)

    def settings(self, **values: Any) -> None:
        self.server.control("PUT", "/klaviyo/settings", values)


class Google:
    """Calls of the Data Manager with an access token for the sandbox's refresh token."""

    lists = "accountTypes/GOOGLE_ADS/accounts/1234567890/userLists"

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.base = f"{server.base_url}/google"
        token = self.token()
        assert token.status_code == 200, token.text
        self.headers = {"Authorization": f"Bearer {token.json()['access_token']}"}

    def token(self, **given: str) -> requests.Response:
        grant = {"grant_type": "refresh_token", "client_id": "sandbox-google-client"}
        grant |= {"client_secret": "sandbox-google-secret", "refresh_token": "sandbox-google-refresh"}
        return requests.post(f"{self.base}/token", data=grant | given, timeout=30)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        return requests.request(
            method, f"{self.base}/v1/{path}", headers=self.headers, params=query, json=body, timeout=30
        )

    def user_list(self, key: str = "CONTACT_ID", **given: Any) -> str:
        info = {"uploadKeyTypes": [key], "mobileIdInfo": {"keySpace": "IOS", "appId": "app"}}
        new = {"displayName": f"list {next(numbers)}", "ingestedUserListInfo": info, **given}
        made = self.call("POST", self.lists, new)
        assert made.status_code == 200, made.text
        identifier: str = made.json()["id"]
        return identifier

    def ingest(self, into: str, members: Any, **more: Any) -> requests.Response:
        return self.call("POST", "audienceMembers:ingest", ingestion(into, members, **more))

    def remove(self, of: str, members: Any, **more: Any) -> requests.Response:
        sent = {"destinations": [destination(of)], "audienceMembers": members, "encoding": "HEX"}
        return self.call("POST", "audienceMembers:remove", sent | more)

    def remove_all(self, of: str, **more: Any) -> requests.Response:
        return self.call("POST", "audienceMembers:removeAll", {"destinations": [destination(of)]} | more)

    def done(self, taken: requests.Response) -> dict[str, Any]:
        """The status of the request's first destination, once it is none of processing."""
        assert taken.status_code == 200, taken.text
        for _ in range(5):
            told = self.call("GET", "requestStatus:retrieve", requestId=taken.json()["requestId"]).json()
            status: dict[str, Any] = told["requestStatusPerDestination"][0]
            if status["requestStatus"] != "PROCESSING":
                return status
        raise AssertionError("the request is never processed")

    def members(self, identifier: str) -> list[dict[str, Any]]:
        """The identifiers of everybody on the list."""
        return sorted(members(self.server, "google", identifier), key=str)

    def settings(self, **values: Any) -> None:
        self.server.control("PUT", "/google/settings", values)


def destination(identifier: str, **more: Any) -> dict[str, Any]:
    operating = {"accountType": "GOOGLE_ADS", "accountId": "1234567890"}
    return {"operatingAccount": operating, "productDestinationId": identifier, **more}


def ingestion(into: str, members: Any, **more: Any) -> dict[str, Any]:
    """A request that everybody in it consents to, with terms accepted."""
    granted = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
    terms = {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
    sent = {"destinations": [destination(into)], "audienceMembers": members, "encoding": "HEX"}
    return sent | {"consent": granted, "termsOfService": terms} | more


def user(**identifiers: Any) -> dict[str, Any]:
    """A member of these identifiers, each one or several."""
    each = ((name, value if isinstance(value, list) else [value]) for name, value in identifiers.items())
    return {"userData": {"userIdentifiers": [{name: one} for name, values in each for one in values]}}


def violations(answer: requests.Response) -> list[tuple[str, str]]:
    """(field, reason) of each; fails when the answer is no refusal of fields."""
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT"), answer.text
    info, asked, bad = answer.json()["error"]["details"]
    assert (info["reason"], info["metadata"]["requestId"]) == ("INVALID_ARGUMENT", asked["requestId"])
    assert all(one["description"] for one in bad["fieldViolations"])
    return [(one["field"], one["reason"]) for one in bad["fieldViolations"]]


def profile(**attributes: Any) -> dict[str, Any]:
    return {"type": "profile", "attributes": attributes}


def import_of(profiles: Any, *lists: str) -> dict[str, Any]:
    """The `data` of an import."""
    data = {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}
    return data | {"relationships": {"lists": {"data": [{"type": "list", "id": one} for one in lists]}}}


numbers = itertools.count(1)


def email() -> str:
    """An address no other test has used."""
    return f"person{next(numbers)}@example.com"


def phone() -> str:
    return f"+1555{next(numbers):07}"


def errors(answer: requests.Response) -> list[tuple[str, str | None]]:
    """(code, pointer) of each error."""
    return [(one["code"], one["source"].get("pointer")) for one in answer.json()["errors"]]
