"""Klaviyo: what people said there about being written to, by the profiles that have changed.

Reads alone. What the profiles mean is in `mapping`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.http import HttpClient, Response, header
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.paging import link_next, walk
from segment_pipeline.sources.klaviyo.mapping import entities

_PROFILES: Final = "/api/profiles"
_SUBSCRIPTIONS: Final = {
    "additional-fields[profile]": "subscriptions",
    "fields[profile]": "email,phone_number,updated,subscriptions",
}


@dataclass(frozen=True, kw_only=True)
class KlaviyoConsents:
    """Subscriptions, unsubscribes, spam complaints and suppressions of one Klaviyo account.

    A yes and a no are statements about the address or the number, from when Klaviyo has them; so is an unsubscribe among its suppressions. A complaint, a bounce
    and a suppression by hand are suppressions here as well, and stay when they are lifted there. Unsubscribing from one list is about that list,
    and nothing here. Each pull reads every profile updated since the day before the last, those that audiences have changed among them, 70,000 a minute.
    Not verified against the live API: that `updated` moves with each change of consent, and whether times are told in more than seconds.
    """

    about: ClassVar[About] = About(
        ConnectorKind.SOURCE, "Klaviyo", "consents and suppressions of profiles (revision 2026-10-15)"
    )
    name: str = "klaviyo"
    api_key: str = secret("KLAVIYO_API_KEY", "private key that may read profiles and subscriptions")
    base_url: str = address("KLAVIYO_BASE_URL", "https://a.klaviyo.com")
    revision: str = "2026-10-15"
    page_size: int = 100
    look_back: int = 1

    @property
    def entities(self) -> tuple[Entity, ...]:
        return entities(self.look_back)

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        with self._client() as client:
            client.request("GET", _PROFILES, params={**_SUBSCRIPTIONS, "page[size]": 1})

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        start, end = window.instants(timezone)
        # There is no "from … on": a second is the step of the times Klaviyo tells.
        since = (start - timedelta(seconds=1)).isoformat()
        asked = {
            **_SUBSCRIPTIONS,
            "filter": f"greater-than(updated,{since}),less-than(updated,{end.isoformat()})",
            # Whoever changes while the listing is read comes again at its end, and nobody is passed over.
            "sort": "updated",
            "page[size]": self.page_size,
        }
        with self._client() as client:

            def fetch(url: str | None) -> Mapping[str, Any]:
                answer = client.request("GET", url or _PROFILES, params=None if url else asked)
                return into.keep(entity.name, answer.content, "data", ("links",))

            walk(fetch, link_next, what=f"{self.name} profiles")
            return into.finish(requests=client.requests)

    def _client(self) -> HttpClient:
        return HttpClient(
            value(self, "base_url"),
            name=self.name,
            auth=header("Authorization", f"Klaviyo-API-Key {value(self, 'api_key')}"),
            headers={"revision": self.revision, "Accept": "application/vnd.api+json"},
            rates=((75, 1.0), (700, 60.0)),
            classify=self._retired,
        )

    def _retired(self, answer: Response) -> ConfigError | None:
        if answer.status_code != 410:
            return None
        return ConfigError(f"{self.name} has retired revision {self.revision}: set a newer `revision`")


CONNECTOR = KlaviyoConsents
