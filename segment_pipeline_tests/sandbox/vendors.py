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
