"""What one batch of people is to Google: members of one kind of data, each with identifiers, a consent and destinations."""

import base64
import binascii
import re
from collections.abc import Sequence, Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from segment_pipeline.sandbox.vendors.google.forms import DATA, IDENTIFIERS
from segment_pipeline.sandbox.vendors.google.messages import Document, snake
from segment_pipeline.sandbox.vendors.google.rpc import SAID, Violations

LARGEST_BATCH, MOST_IDENTIFIERS = 10_000, 10
PLAYED = ("userData", "mobileData", "userIdData")
HASHED, PLAIN = ("givenName", "familyName"), ("regionCode", "postalCode")
IDENTIFYING = (*IDENTIFIERS, "mobileIds", "userId")
MOBILE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
REGION = re.compile(r"[A-Z]{2}")


@dataclass(slots=True)
class Batch:
    """A request's members as read. Of each row: identifiers `held` by name, their `number` as sent, `consent`, and `to`, the
    places of its destinations."""

    kind: str = ""
    rows: list[Document] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)


class Reading:
    """One request's members, and what is wrong with them. `poison`: values that count as no SHA-256."""

    def __init__(self, given: Document, wrong: Violations, poison: AbstractSet[str]) -> None:
        self.given, self.wrong, self.poison = given, wrong, poison
        self.batch = Batch()

    def members(self, references: Sequence[str]) -> Batch:
        """`references` of the request's destinations, in their order."""
        members = self.given.get("audienceMembers") or []
        if not members:
            self.wrong.add("audience_members")
        if len(members) > LARGEST_BATCH:
            self.wrong.add("audience_members", "TOO_MANY_AUDIENCE_MEMBERS")
            return self.batch
        kinds = {name for member in members for name in DATA if name in member}
        if len(kinds) > 1:
            self.wrong.add("audience_members", "MULTIPLE_DATA_TYPES_NOT_ALLOWED")
            return self.batch
        self.batch.kind = next(iter(kinds), "")
        if self.batch.kind == "userData" and not self.given.get("encoding"):
            self.wrong.add("encoding")
        for place, member in enumerate(members):
            self.batch.rows.append(self.row(member, references, f"audience_members.audience_members[{place}]"))
        return self.batch

    def row(self, member: Document, references: Sequence[str], path: str) -> Document:
        named = member.get("destinationReferences") or references
        for place, name in enumerate(named):
            if name not in references:
                self.wrong.add(f"{path}.destination_references[{place}]", "INVALID_DESTINATION")
        to = [place for place, name in enumerate(references) if name in named]
        # A member's consent takes the place of the request's as a whole.
        consent = member.get("consent", self.given.get("consent", {}))
        sent = member.get(self.batch.kind, {}).values()
        number = next((len(values) for values in sent if isinstance(values, list)), 1)
        return {"held": self.held(member, path), "number": number, "consent": consent, "to": to}

    def held(self, member: Document, path: str) -> Document:
        if self.batch.kind not in member:
            self.wrong.add(path, "INVALID_AUDIENCE_MEMBER")
        elif self.batch.kind not in PLAYED:
            self.wrong.add(path, "NOT_ALLOWLISTED")
        elif self.batch.kind == "userIdData":
            if user := member["userIdData"].get("userId"):
                return {"userId": [user]}
            self.wrong.add(f"{path}.user_id_data.user_id")
        elif self.batch.kind == "mobileData":
            return self.mobile(member["mobileData"].get("mobileIds") or [], f"{path}.mobile_data.mobile_ids")
        else:
            identifiers = member["userData"].get("userIdentifiers") or []
            return self.user(identifiers, f"{path}.user_data.user_identifiers")
        return {}

    def counted(self, found: Sequence[Any], path: str) -> None:
        if not found:
            self.wrong.add(path)
        if len(found) > MOST_IDENTIFIERS:
            self.wrong.add(path, "TOO_MANY_USER_IDENTIFIERS")

    def mobile(self, found: Sequence[str], path: str) -> Document:
        self.counted(found, path)
        for place, value in enumerate(found):
            if not MOBILE_ID.fullmatch(value):
                self.wrong.add(f"{path}[{place}]", "INVALID_MOBILE_ID_FORMAT")
        return {"mobileIds": sorted({value.lower() for value in found})}

    def user(self, found: Sequence[Document], path: str) -> Document:
        """Identifiers by kind, each once and in order, so that the same ones make the same member however they came."""
        self.counted(found, path)
        held: Document = {}
        for place, identifier in enumerate(found):
            at = f"{path}[{place}]"
            if not any(identifier.values()):
                self.wrong.add(at)
                continue
            for name, value in identifier.items():
                read = self.address(value, at) if name == "address" else self.hashed(value, at)
                held.setdefault(name, []).append(read)
        return {name: sorted({str(one): one for one in held[name]}.values(), key=str) for name in sorted(held)}

    def address(self, sent: Document, at: str) -> Document:
        for name in (*HASHED, *PLAIN):
            if not sent.get(name):
                self.wrong.add(f"{at}.address.{snake(name)}")
        if sent.get("regionCode") and not REGION.fullmatch(sent["regionCode"]):
            self.wrong.add(f"{at}.address.region_code", "INVALID_REGION_CODE")
        if sent.get("addressLine") and not self.decoded(sent["addressLine"])[0]:
            said = {"reason": "WARNING_REASON_GENERIC", "description": SAID["INVALID_SHA256_FORMAT"]}
            self.batch.warnings.append({**said, "field": f"{at}.address.address_line"})
        names = {name: self.hashed(sent[name], at) for name in HASHED if sent.get(name)}
        return {**names, **{name: sent[name] for name in PLAIN if name in sent}}

    def hashed(self, sent: str, at: str) -> str:
        """The digest in hexadecimal digits, however it came."""
        digest, reason = self.decoded(sent)
        if reason:
            self.wrong.add(at, reason)
        return digest

    def decoded(self, sent: str) -> tuple[str, str]:
        """The digest, or why there is none."""
        encoding = self.given.get("encoding") or "HEX"
        try:
            raw = binascii.unhexlify(sent) if encoding == "HEX" else base64.b64decode(sent, validate=True)
        except ValueError:
            return "", f"INVALID_{encoding}_ENCODING"
        right = len(raw) == 32 and raw.hex() not in self.poison
        return (raw.hex(), "") if right else ("", "INVALID_SHA256_FORMAT")
