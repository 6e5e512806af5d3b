"""How each platform wants a customer file: which form identifiers are hashed in, what the columns are called, what is a file.

From the platforms' own help pages; knows nothing of audiences.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from segment_pipeline.delivery.destination import IdentifierRule


@dataclass(frozen=True, slots=True)
class Layout:
    """`rules`: what members are known by; none: what the company chooses. `header`: what those columns are called; none: as they are.

    `lists`: the platform takes one kind of identifier per file, a line each and no header, so such files stand beside.
    `attributes`: more columns may follow. `along`: columns filled from the profile; `needs`: SQL of which rows are of no use, and why.
    `channel`: whose consent a member needs, unless the company says otherwise.
    """

    rules: tuple[IdentifierRule, ...] = ()
    header: tuple[str, ...] = ()
    lists: bool = False
    attributes: bool = False
    along: tuple[IdentifierRule, ...] = ()
    needs: str = ""
    channel: str = "ads"

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that are there whether or not anybody has something in them."""
        return tuple(rule.column for rule in self.along)


def _by(email: str, phone: str) -> tuple[IdentifierRule, ...]:
    return IdentifierRule("email", "email", email), IdentifierRule("phone", "phone", phone)


_ADDRESS: Final = ("first_name", "last_name", "street", "city", "region", "postcode", "country")
_LINES: Final = [
    f"""json_extract_string(attributes, '$."{line}"') IS NULL""" for line in ("street", "city", "postcode")
]

LAYOUTS: Final[Mapping[str, Layout]] = {
    "plain": Layout(attributes=True),
    # Meta Business Help, "How to format a customer list": columns email and phone, digits with the country code.
    "meta": Layout(_by("email/sha256/1", "phone/digits-sha256/1"), ("email", "phone")),
    # developers.snap.com: one kind of identifier at a time, digits with the country code, no leading zeros.
    "snapchat": Layout(_by("email/sha256/1", "phone/digits-sha256/1"), ("email", "phone"), lists=True),
    # TikTok Ads help, "About Customer File audiences": the header says the kind and that it is hashed; its published hash of a
    # phone is of the digits alone.
    "tiktok": Layout(_by("email/sha256/1", "phone/digits-sha256/1"), ("Email_SHA256", "Phone_SHA256")),
    # Google Ads help, "Format your customer data file": English headers, E.164 with its `+`, Gmail's dots and tags left out.
    "google": Layout(_by("email/gmail-sha256/1", "phone/sha256/1"), ("Email", "Phone")),
    # For whoever prints and posts: no platform's. A letter needs a street and a place.
    "mail": Layout(
        (IdentifierRule("external_id", "external_id", "external_id/plain/1"),),
        ("id",),
        along=tuple(IdentifierRule(field, field, "text/plain/1") for field in _ADDRESS),
        needs=f"CASE WHEN {_LINES[0]} OR ({_LINES[1]} AND {_LINES[2]}) THEN 'no_address' END",
        channel="mail",
    ),
}
