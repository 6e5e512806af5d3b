"""What a test may see and change of Klaviyo's side without calling Klaviyo."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from segment_pipeline.sandbox.exchange import json_body
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.vendors.klaviyo.api import KlaviyoError
from segment_pipeline.sandbox.vendors.klaviyo.consent import Consent
from segment_pipeline.sandbox.vendors.klaviyo.profiles import Profile, from_row
from segment_pipeline.sandbox.vendors.klaviyo.store import DEFAULTS, KlaviyoStore


def control_routes(state: SandboxState) -> list[BaseRoute]:
    store = KlaviyoStore(state)
    consent = Consent(store)

    def settings(request: Request) -> Response:
        if request.method == "PUT":
            values = json_body(request) or {}
            unknown = sorted(set(values) - set(DEFAULTS))
            if unknown:
                return JSONResponse({"error": f"unknown settings {unknown}"}, 400)
            store.change_settings(values)
        return JSONResponse(store.settings())

    def lists(request: Request) -> Response:
        rows = store.lists(None, after=0, limit=-1)
        return JSONResponse([{"id": row["id"], "name": row["name"], "size": store.size(row["id"])} for row in rows])

    def one_list(request: Request) -> Response:
        try:
            row = store.list_of(request.path_params["id"])
        except KlaviyoError as error:
            return error.response()
        members = [_member(from_row(member)) for member in store.members(row["id"])]
        return JSONResponse({"id": row["id"], "name": row["name"], "size": len(members), "profiles": members})

    def profiles(request: Request) -> Response:
        return JSONResponse([_member(profile) for profile in store.profiles(None)])

    def consents(request: Request) -> Response:
        return JSONResponse({profile.id: consent.of(profile) for profile in store.profiles(None)})

    return [
        Route("/settings", settings, methods=["GET", "PUT"]),
        Route("/lists", lists, methods=["GET"]),
        Route("/lists/{id}", one_list, methods=["GET"]),
        Route("/profiles", profiles, methods=["GET"]),
        Route("/consents", consents, methods=["GET"]),
    ]


def _member(profile: Profile) -> dict[str, object]:
    """A profile without the fields that were never set."""
    given = {name: profile.identifier(name) for name in ("email", "phone_number", "external_id")}
    return {"id": profile.id, **{name: value for name, value in given.items() if value is not None}, **profile.held}
