"""What Shopify's answers say beside their data: errors in a 200, what the app may read, and which API version answered."""

import re
from collections.abc import Mapping
from typing import Any

from segment_pipeline import redact
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

VERSION = "x-shopify-api-version"
SCOPES = ("read_orders", "read_all_orders", "read_customers", "read_products")
NOT_APPROVED = (
    "ask for names, addresses, e-mail and phone in the app's API access requests"
    " (https://shopify.dev/docs/apps/launch/protected-customer-data)"
)


class TooMuchError(ContractError):
    """The query is more than a query may be: ask for fewer nodes at once. `alone`: what it is when there are no fewer."""

    def __init__(self, message: str, alone: SegmentPipelineError | None = None) -> None:
        super().__init__(message)
        self.alone = alone or self


def classify(response: Response) -> SegmentPipelineError | None:
    """GraphQL says what went wrong in a 200's body; None: nothing did, or the status tells."""
    if response.status_code != 200 or b'"errors"' not in response.content:
        return None
    body = response.json()
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if not errors:
        return None
    said = [each for each in errors if isinstance(each, Mapping)] if isinstance(errors, list) else [{}]
    codes = {str((each.get("extensions") or {}).get("code") or "unknown") for each in said}
    if "THROTTLED" in codes:
        return TransientError(
            "shopify: the query was throttled: it is tried again when points are back", retry_after=_wait(body)
        )
    if "INTERNAL_SERVER_ERROR" in codes:
        return TransientError("shopify: the query failed at the server: it is tried again")
    if "TIMEOUT" in codes:
        slow = TransientError(
            "shopify: one record took the server too long: set a smaller `nested`, or try again later"
        )
        return TooMuchError("shopify: the query took the server too long", slow)
    if "MAX_COST_EXCEEDED" in codes:
        return TooMuchError("shopify: one record costs more than a query may: map fewer metafields")
    if "ACCESS_DENIED" in codes:
        return _denied(said)
    named = ", ".join(sorted(redact.code(code) for code in codes))
    return ContractError(
        f"shopify: the query was answered with errors ({named}): see whether the API version still has its fields"
    )


def granted(answer: Any) -> set[str]:
    """The scopes the app was given; one that may write may read."""
    try:
        handles = {str(scope["handle"]) for scope in answer["data"]["currentAppInstallation"]["accessScopes"]}
    except (KeyError, TypeError):
        raise ContractError(
            "shopify: what the app may read was answered without its scopes: see whether the API changed"
        ) from None
    return handles | {handle.replace("write_", "read_", 1) for handle in handles if handle.startswith("write_")}


def lacking(name: str, needed: tuple[str, ...], held: set[str]) -> ConfigError | None:
    """The first scope an app needs and lacks.

    Without read_all_orders a shop shows sixty days of orders, counts them alike, and does not say that there were more.
    """
    missing = [scope for scope in needed if scope not in held]
    if not missing:
        return None
    cut = " (without it the shop hides orders of more than sixty days)" if missing[0] == "read_all_orders" else ""
    return ConfigError(
        f"source {name}: its app lacks the scope {missing[0]}{cut}: give it to the app, and install it again"
    )


def fell_forward(response: Response, asked: str) -> str | None:
    """What to say of an answer by another API version than was asked for; None: it was that version, or does not say."""
    served = response.headers.get(VERSION, asked)
    if served == asked:
        return None
    shown = served if re.fullmatch(r"\d{4}-\d{2}|unstable", served) else "another one"
    return f"API version {asked} is not served any more: Shopify answered by {shown}; set `version` to one it serves"


def _denied(said: list[Mapping[str, Any]]) -> ConfigError:
    """The scope by which the vendor says a field is read, or that the app is not approved for protected customer data."""
    text = " ".join(f"{each.get('message')} {(each.get('extensions') or {}).get('requiredAccess')}" for each in said)
    scopes = sorted(set(re.findall(r"\b(?:read|write)_[a-z_]+\b", text)))
    if not scopes and "not approved" in text:
        return ConfigError(f"shopify: the app is not approved for a field of protected customer data: {NOT_APPROVED}")
    return ConfigError(f"shopify: a field was not allowed: give the app {', '.join(scopes or SCOPES)}")


def _wait(body: Mapping[str, Any]) -> float:
    """Seconds until the bucket holds what the query asked for."""
    cost = (body.get("extensions") or {}).get("cost") or {}
    throttle = cost.get("throttleStatus") or {}
    try:
        missing = float(cost["requestedQueryCost"]) - float(throttle["currentlyAvailable"])
        return max(0.1, missing / float(throttle["restoreRate"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 1.0
