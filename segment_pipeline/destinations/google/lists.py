"""The user lists of one ad account at Google: found, made, changed, deleted. Carries nobody."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from segment_pipeline import clock, paging
from segment_pipeline.connector import value
from segment_pipeline.delivery.destination import AudienceGone
from segment_pipeline.delivery.vendor import Remote, Vendor, at
from segment_pipeline.destinations.google.refusals import Missing
from segment_pipeline.errors import ConfigError

LISTS: Final = "lists"
_ADS: Final = "GOOGLE_ADS"
_DAY: Final = 86_400
_CONTACTS: Final = {
    "uploadKeyTypes": ["CONTACT_ID"],
    "contactIdInfo": {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"},
}


@dataclass(frozen=True, slots=True)
class UserLists:
    """`days`: how long a list is to keep its members. A label is a display name and an integration code."""

    of: Remote
    vendor: Vendor
    days: int

    def make(self, label: Mapping[str, str]) -> str:
        """The id of a new one. Raises NameTaken."""
        return _id(self._asked("POST", body=self._new(label)))

    def may_make(self, label: Mapping[str, str]) -> None:
        """Raises what `make` would, and makes none."""
        self._asked("POST", body=self._new(label), params={"validateOnly": "true"})

    def labelled(self, label: Mapping[str, str]) -> Iterator[str]:
        """Ids of those that carry a label. Raises ConfigError for one that is of no use as it is."""
        code = label["integrationCode"]
        for one in self.every(f"integration_code = {json.dumps(code)}"):
            if one.get("integrationCode") == code:
                self.usable(one)
                yield _id(one)

    def every(self, wanted: str = "") -> Iterator[Mapping[str, Any]]:
        """The account's own lists that members are uploaded to; `wanted`: a filter in Google's language."""

        def fetch(token: str | None) -> Any:
            asked = {"pageSize": "1000", "filter": wanted, "pageToken": token or ""}
            return self._asked("GET", params={name: given for name, given in asked.items() if given})

        for page in paging.pages(fetch, paging.cursor_field("nextPageToken"), what=f"a listing of {self.of.name}"):
            yield from _own(page)

    def look_up(self, remote_id: str) -> tuple[Mapping[str, Any] | None, datetime]:
        """A list, None where the account has none of that id, and when that was: by Google's clock, which tells seconds."""
        asked = {"filter": f"id = {remote_id}"}
        answer = self.vendor.client(LISTS).request("GET", self._path(), params=asked, headers=self._through)
        found = next((one for one in _own(answer.json()) if one.get("id") == remote_id), None)
        told = answer.headers.get("date")
        return found, parsedate_to_datetime(told) if told else clock.now()

    def relabel(self, remote_id: str, label: Mapping[str, str]) -> None:
        with self.there(remote_id):
            self._asked("PATCH", remote_id, body=label, params={"updateMask": ",".join(label)})

    def delete(self, remote_id: str) -> None:
        with self.there(remote_id):
            self._asked("DELETE", remote_id)

    def usable(self, found: Mapping[str, Any]) -> None:
        """Raises ConfigError for a list that takes nobody in, or keeps members for a shorter time than is counted on."""
        name, number, kept = self.of.name, found.get("id"), str(found.get("membershipDuration") or "0s")
        if found.get("membershipStatus") == "CLOSED":
            raise ConfigError(f"{name}: list {number} is closed to new members: open it in Google Ads")
        if 0 < (days := int(kept.removesuffix("s").partition(".")[0]) // _DAY) < self.days:
            raise ConfigError(
                f"{name}: list {number} keeps members for {days} days only: set `membership_days` to that, or change it in Google Ads"
            )

    @contextmanager
    def there(self, remote_id: str) -> Iterator[None]:
        """AudienceGone for what Google does not find or does not allow, where the account has no such list."""
        try:
            yield
        except Missing:
            if self.look_up(remote_id)[0] is None:
                raise self.gone(remote_id) from None
            raise

    def gone(self, remote_id: str) -> AudienceGone:
        return AudienceGone(f"{self.of.name} no longer has list {remote_id}: resend the audience to make it anew")

    def destination(self, remote_id: str) -> dict[str, Any]:
        """A list as a request about members names it."""
        accounts = {"operatingAccount": value(self.of, "customer"), "loginAccount": value(self.of, "login_customer")}
        named = {
            name: {"accountType": _ADS, "accountId": digits(number)} for name, number in accounts.items() if number
        }
        return named | {"productDestinationId": remote_id}

    def _new(self, label: Mapping[str, str]) -> dict[str, Any]:
        return {**label, "membershipDuration": f"{self.days * _DAY}s", "ingestedUserListInfo": _CONTACTS}

    def _asked(
        self, method: str, remote_id: str = "", *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        path, safe = self._path(remote_id), method != "POST"
        return self.vendor.object(LISTS, method, path, params=params, json=body, headers=self._through, idempotent=safe)

    def _path(self, remote_id: str = "") -> str:
        return f"/v1/{_account(value(self.of, 'customer'))}/userLists/{remote_id}".rstrip("/")

    @property
    def _through(self) -> dict[str, str]:
        """Names the manager account that reaches the ad account."""
        return {"login-account": _account(login)} if (login := value(self.of, "login_customer")) else {}


def digits(number: str) -> str:
    """A number of an account without the hyphens it is shown with."""
    return number.replace("-", "")


def _account(number: str) -> str:
    return f"accountTypes/{_ADS}/accounts/{digits(number)}"


def _id(found: Mapping[str, Any]) -> str:
    return str(at(found, "id", of="Google"))


def _own(page: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those of a page that are the account's and have contacts for members; what others share is theirs."""
    for one in page.get("userLists") or []:
        keys = (one.get("ingestedUserListInfo") or {}).get("uploadKeyTypes") or []
        if one.get("accessReason", "OWNED") == "OWNED" and "CONTACT_ID" in keys:
            yield one
