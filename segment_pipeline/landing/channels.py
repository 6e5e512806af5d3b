"""What sources call the channels of consent and suppressions, in the lake's words; whom a statement in one covers is docs/consent.md's."""

from collections.abc import Mapping
from typing import Final

from segment_pipeline.lake.dialect import literal

CHANNELS: Final = ("email", "sms", "ads", "mail", "push", "product")
EVERY: Final = "*"
SPELLINGS: Final[Mapping[str, str]] = {
    "email": "e-mail|e_mail|e mail|emails|e-mails|mailing|newsletter|email_marketing",
    "sms": "text|texts|txt|mms|sms_marketing|text message|text_message|text messages",
    "ads": "ad|advertising|advertisement|advertisements|retargeting",
    "mail": "post|postal|letter|direct mail|direct_mail|postal mail|postal_mail",
    "push": "push notification|push notifications|push_notification|push_notifications|app push|web push",
    "product": "in-app|in_app|in app|on-site|on_site|on site|onsite|personalisation|personalization|experiments",
    EVERY: "all|any|every|everything|all channels|all_channels",
}


def heard(word: str) -> str:
    """SQL: a word for a channel as the lake calls it, `*` where it is every one or empty; one that nobody knows stays as it is."""
    said = f"lower(trim({word}))"
    cases = " ".join(
        f"WHEN {said} IN ({', '.join(literal(each) for each in spelled.split('|'))}) THEN {literal(ours)}"
        for ours, spelled in SPELLINGS.items()
    )
    return f"CASE {cases} ELSE coalesce(nullif({said}, ''), '{EVERY}') END"


def known(word: str) -> str:
    """SQL: whether a word is one channel that the lake knows, so that a yes may be about it."""
    return f"{heard(word)} IN ({', '.join(literal(each) for each in CHANNELS)})"
