"""Mailchimp: who unsubscribed from a list, or cannot be reached by it, by the members that have changed.

Reads alone. What a member's status means is in `mapping`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.days import Window
from segment_pipeline.errors import TransientError
from segment_pipeline.http import HttpClient, Response, header
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.sources.mailchimp.mapping import entities

_FIELDS: Final = "members.id,members.email_address,members.status,members.last_changed,total_items"


@dataclass(frozen=True, kw_only=True)
class MailchimpUnsubscribes:
    """Members of one list who are unsubscribed or cleaned.

    An unsubscribe is a no to e-mail as of when the member was changed last, since Mailchimp does not tell its own time; it is a no again with each change. A cleaned
    address is a suppression, and stays one here. A subscription there is no yes here: it may be one that our own import made.
    Each pull reads every member changed since the day before the last, those that audiences have changed among them, `page_size` a request.
    Not verified against the live API: that `last_changed` moves with each change of a status.
    """

    about: ClassVar[About] = About(ConnectorKind.SOURCE, "Mailchimp", "unsubscribes and cleaned addresses of a list")
    name: str = "mailchimp"
    api_key: str = secret("MAILCHIMP_API_KEY", "key of the account")
    list_id: str = address("MAILCHIMP_LIST_ID", "", "id of the list")
    base_url: str = address("MAILCHIMP_BASE_URL", "https://api.mailchimp.com")
    page_size: int = 1_000
    look_back: int = 1

    @property
    def entities(self) -> tuple[Entity, ...]:
        return entities(self.look_back)

    def secrets_present(self) -> None:
        require(self, "api_key", "list_id")

    def check(self) -> None:
        with self._client() as client:
            client.request("GET", self._path, params={"count": 1, **self._order})

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        """Backwards: whoever changes meanwhile leaves the listing, and what is behind them moves forward, which was read already."""
        start, end = window.instants(timezone)
        # What is asked for is after an instant and before another, in whole seconds.
        since, before = start - timedelta(seconds=1), min(end, into.pulled_at)
        bounds = {"since_last_changed": since.isoformat(), "before_last_changed": before.isoformat()}
        asked = {**bounds, **self._order}
        with self._client() as client:
            total = client.json("GET", self._path, params={**asked, "count": 1, "fields": "total_items"})["total_items"]
            for offset in reversed(range(0, total, self.page_size)):
                page = {"count": self.page_size, "offset": offset, "fields": _FIELDS}
                answer = client.request("GET", self._path, params={**asked, **page})
                into.keep(entity.name, answer.content, "members", ())
            return into.finish(requests=client.requests)

    @property
    def _path(self) -> str:
        return f"/3.0/lists/{value(self, 'list_id')}/members"

    @property
    def _order(self) -> dict[str, Any]:
        return {"sort_field": "last_changed", "sort_dir": "ASC"}

    def _client(self) -> HttpClient:
        auth = header("Authorization", f"Bearer {value(self, 'api_key')}")
        return HttpClient(value(self, "base_url"), name=self.name, auth=auth, timeout=(5.0, 130.0), classify=self._busy)

    def _busy(self, answer: Response) -> TransientError | None:
        if answer.status_code != 403 or b'"title"' in answer.content:
            return None
        # A page in front of the API: of a key that may not, the API says so in JSON.
        return TransientError(f"{self.name} was called too often at once (HTTP 403): it is tried again later")


CONNECTOR = MailchimpUnsubscribes
