"""What a member is to Klaviyo: the profile a row is sent as, and the identifier by which one that comes back is known again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from segment_pipeline.delivery import attributes
from segment_pipeline.delivery.attributes import KNOWN, NAME, TEXT, listed, members, wrapped
from segment_pipeline.delivery.vendor import email_as_sent

MOST_BYTES: Final = 100_000
FIELDS: Final = ("first_name", "last_name", "organization", "locale", "title", "image")
PLACE: Final = ("address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip")
_OWN: Final = attributes.named(FIELDS)
_OF_PLACE: Final = attributes.named(f"location.{name}" for name in PLACE)
_CUSTOM: Final = f"NOT ({_OWN} OR {_OF_PLACE})"
_CUSTOM_NAME: Final = f"CASE WHEN starts_with({NAME}, 'properties.') THEN substr({NAME}, 12) ELSE {NAME} END"


@dataclass(frozen=True, slots=True)
class Profiles:
    """Profiles known by one identifier: `column` of our rows, `field` of theirs."""

    column: str
    field: str

    @classmethod
    def of(cls, channel: str) -> "Profiles":
        return cls("phone", "phone_number") if channel == "sms" else cls("email", "email")

    @property
    def unfit(self) -> str:
        """SQL: why a row cannot be a profile; NULL: it can."""
        return f"""CASE WHEN {self.column} IS NULL THEN 'no_identifier'
            WHEN strlen({self.column}) + strlen(coalesce(attributes, '')) > {MOST_BYTES - 200} THEN 'too_large' END"""

    @property
    def sent(self) -> str:
        """SQL: the profile of a row, as JSON. Null empties a field; a custom property is unset, since null would be its value."""
        known = f"""'{{"type":"profile","attributes":{{"{self.field}":' || CAST(to_json({self.column}) AS VARCHAR)"""
        parts = (
            wrapped(members(where=_OWN, value=TEXT), ",", ""),
            wrapped(members(where=_OF_PLACE, name=f"substr({NAME}, 10)", value=TEXT), ',"location":{'),
            wrapped(members(where=f"{_CUSTOM} AND {KNOWN}", name=_CUSTOM_NAME), ',"properties":{'),
            "'}'",
            wrapped(
                listed(where=f"{_CUSTOM} AND NOT {KNOWN}", name=_CUSTOM_NAME),
                ',"meta":{"patch_properties":{"unset":[',
                "]}}",
            ),
        )
        return f"CASE WHEN attributes IS NULL THEN {known} || '}}}}' ELSE {' || '.join((known, *parts))} || '}}' END"

    def as_sent(self, known: str | None) -> str | None:
        """An identifier as Klaviyo shows it, in the form we send."""
        return email_as_sent(known) if self.column == "email" else known

    def quoted(self, payload: Any) -> str | None:
        """The identifier, as sent, of the profile an import error quotes, however deep it is; None when it quotes none."""
        return self.as_sent(self._in(payload))

    def _in(self, payload: Any) -> str | None:
        if isinstance(payload, str):
            try:
                payload = json.loads(payload)
            except ValueError:
                return None
        if isinstance(payload, Mapping):
            if isinstance(payload.get(self.field), str):
                return str(payload[self.field])
            payload = [part for part in payload.values() if isinstance(part, Mapping | list)]
        if isinstance(payload, list):
            return next((found for item in payload if (found := self._in(item)) is not None), None)
        return None
