"""Google's Data Manager API as far as Customer Match goes: `/google/v1/...`, and the token endpoint `/google/token`.

What Google's documents leave open is a setting, read and changed at `/_control/google/settings`:

- `apply_jobs` (`when_complete`), `job_seconds`, `polls_to_complete`: as in `sandbox.jobs`; requests are processed in their order.
- `removal_matches` (`any`): a removal takes out whoever has one of a member's identifiers, or (`exact`) who has exactly those.
- `consent_region` (true): everybody is where consent is asked for. Members with a denied one fail (DENIED_CONSENT), those
  without two granted ones for the reason `unsaid_consent` (`NO_CONSENT`; `UNKNOWN_CONSENT` fits Google's words too). A member's
  own consent takes the place of the request's as a whole.
- `match_rate` (64): percent of members Google knows; sizes of lists are of those. `minimum_members` (100): to be eligible.
- `usual_days` (540): how long members stay where a list does not say. `status_days` (50): how long a request has a status.
- `login_accounts` (the account and its manager): whom the caller may log in as. `granted_scope`, `revoked` (false): what the
  refresh token stands for, and whether it has been taken back. `token_seconds` (3600): how long an access token lasts.
- `service_accounts` ({}): public keys (PEM) by e-mail address, for signed claims.
- `allowlisted`, `political_declaration` (true): the account may have lists of uploaded data.
- `limit_factor` (1000): how many times Google's own 300 calls a minute, and 100,000 or 50,000 a day, are let through.
- `most_violations` (1000): how many wrong fields one error names. `poison` ([]): digests that count as malformed.

Times are the sandbox's clock's, which may stand still: who was added at the very instant of a `removeAsOfTime` stays.
Not played: encrypted identifiers, partners' kinds of data, events; enums are answered by name, whatever `$alt` asks for.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from segment_pipeline.sandbox import jobs, lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.lists import Lists
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.google import rpc
from segment_pipeline.sandbox.vendors.google.ingestion import Ingestion
from segment_pipeline.sandbox.vendors.google.rows import IDENTIFYING
from segment_pipeline.sandbox.vendors.google.rpc import Access
from segment_pipeline.sandbox.vendors.google.userlists import UserLists

FIRST_LIST = 8_100_000_000
TOKEN = "/token"
DEFAULTS: Mapping[str, Any] = {
    **jobs.SETTINGS,
    "apply_jobs": "when_complete",
    "removal_matches": "any",
    "consent_region": True,
    "unsaid_consent": "NO_CONSENT",
    "match_rate": 64,
    "minimum_members": 100,
    "usual_days": 540,
    "status_days": 50,
    "login_accounts": [rpc.ACCOUNT, rpc.MANAGER],
    "granted_scope": rpc.SCOPE,
    "revoked": False,
    "token_seconds": 3600,
    "service_accounts": {},
    "allowlisted": True,
    "political_declaration": True,
    "limit_factor": 1000,
    "most_violations": 1000,
    "poison": [],
}


class Google:
    """The services over one store."""

    def __init__(self, state: SandboxState) -> None:
        schema = (lists.SCHEMA, jobs.SCHEMA, rpc.SCHEMA)
        self.store = VendorStore(state, "google", defaults=DEFAULTS, schema=schema)
        self.lists = Lists(
            self.store,
            identify=lambda number: str(FIRST_LIST + number),
            identifiers=IDENTIFYING,
            settle=self.settle,
        )
        self.ingestion, self.user_lists, self.access = Ingestion(self.lists), UserLists(self.lists), Access(self.store)

    def settle(self, identifier: str) -> None:
        """Requests that are due are processed, and whose time on the list is over has left it."""
        self.ingestion.jobs.settle()
        if (row := self.lists.get(identifier)) is not None:
            stays = timedelta(seconds=int(json.loads(row["held"])["membershipDuration"].rstrip("s")))
            self.lists.remove_joined_before(identifier, (self.store.state.now() - stays).isoformat())

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        self.access.admit(request, *(("lists", 50_000) if "userLists" in call else ("ingestion", 100_000)))
        return request, {}

    def unknown(self, _: Request) -> Answer:
        raise rpc.missing()


def serve(state: SandboxState) -> Served:
    google = Google(state)
    into, user_lists = google.ingestion, google.user_lists
    collection = "/v1/accountTypes/{kind}/accounts/{account}/userLists"
    calls: Calls[Request] = {
        "/v1/audienceMembers:ingest": {"POST": into.ingest},
        "/v1/audienceMembers:remove": {"POST": into.remove},
        "/v1/audienceMembers:removeAll": {"POST": into.remove_all},
        "/v1/requestStatus:retrieve": {"GET": into.status},
        collection: {"GET": user_lists.page, "POST": user_lists.create},
        f"{collection}/{{id}}": {"GET": user_lists.get, "PATCH": user_lists.change, "DELETE": user_lists.drop},
        "/v1/{rest:path}": dict.fromkeys(("GET", "POST", "PATCH", "DELETE"), google.unknown),
    }
    tokens: Calls[Request] = {TOKEN: {"POST": google.access.token}}
    routes = [*endpoints(tokens, lambda request, _: (request, {})), *endpoints(calls, google.admit)]
    return Served(routes, google.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    """Google names no wait."""
    return {
        "429": rpc.limited(),
        "expired_token": rpc.unauthenticated(),
        "500": rpc.refused(500, "An internal error has occurred.", "INTERNAL_ERROR"),
        "503": rpc.status(503, "The service is currently unavailable."),
        "504": rpc.refused(504, "The request took too long to respond.", "DEADLINE_EXCEEDED"),
    }


def fault(kind: str, request: Request) -> Response | None:
    """A token endpoint's errors are a word, which the general form is."""
    return None if request.url.path.endswith(TOKEN) else answered(errors, seconds=0)(kind, request)


VENDOR = Vendor(
    serve=serve,
    fault_response=fault,
    writes=frozenset({"POST", "PATCH", "DELETE"}),
    secrets={
        "GOOGLE_OAUTH_CLIENT_ID": rpc.CLIENT,
        "GOOGLE_OAUTH_CLIENT_SECRET": rpc.SECRET,
        "GOOGLE_OAUTH_REFRESH_TOKEN": rpc.REFRESH,
    },
    account={"GOOGLE_ADS_CUSTOMER": rpc.ACCOUNT},
    addresses={"GOOGLE_TOKEN_URL": TOKEN},
)
