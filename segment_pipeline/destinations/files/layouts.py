"""How each platform wants a customer file: which form identifiers are hashed in, what the columns are called, what is a file.

From the platforms' own help pages; knows nothing of audiences.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Layout:
    """`email`, `phone`: the rules of `identifiers.RULES`. `header`: what the two columns are called.

    `lists`: the platform takes one kind of identifier per file, a line each and no header, so such files stand beside.
    `attributes`: more columns may follow.
    """

    email: str
    phone: str
    header: tuple[str, str] = ("email", "phone")
    lists: bool = False
    attributes: bool = False


LAYOUTS: Final[Mapping[str, Layout]] = {
    "plain": Layout("email/sha256/1", "phone/sha256/1", attributes=True),
    # Meta Business Help, "How to format a customer list": columns email and phone, digits with the country code.
    "meta": Layout("email/sha256/1", "phone/digits-sha256/1"),
    # developers.snap.com: one kind of identifier at a time, digits with the country code, no leading zeros.
    "snapchat": Layout("email/sha256/1", "phone/digits-sha256/1", lists=True),
    # TikTok Ads help, "About Customer File audiences": the header says the kind and that it is hashed; its published hash of a
    # phone is of the digits alone.
    "tiktok": Layout("email/sha256/1", "phone/digits-sha256/1", ("Email_SHA256", "Phone_SHA256")),
    # Google Ads help, "Format your customer data file": English headers, E.164 with its `+`, Gmail's dots and tags left out.
    "google": Layout("email/gmail-sha256/1", "phone/sha256/1", ("Email", "Phone")),
}
