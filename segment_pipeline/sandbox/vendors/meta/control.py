"""What a test may see and change of Meta's side without calling Meta."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from segment_pipeline.sandbox.exchange import json_body
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.vendors.meta.graph import ACCOUNT, GraphError
from segment_pipeline.sandbox.vendors.meta.store import DEFAULTS, MetaStore


def control_routes(state: SandboxState) -> list[BaseRoute]:
    store = MetaStore(state)

    def settings(request: Request) -> Response:
        if request.method == "PUT":
            values = json_body(request) or {}
            unknown = sorted(set(values) - set(DEFAULTS))
            if unknown:
                return JSONResponse({"error": f"unknown settings {unknown}"}, status_code=400)
            store.change_settings(values)
        return JSONResponse(store.settings())

    def audiences(request: Request) -> Response:
        rows = store.audiences(ACCOUNT, after=0, limit=-1)
        return JSONResponse([{"id": str(r["id"]), "name": r["name"], "size": store.size(str(r["id"]))} for r in rows])

    def audience(request: Request) -> Response:
        try:
            row = store.audience(int(request.path_params["audience"]))
        except GraphError as error:
            return error.response()
        if request.method == "POST":
            store.update(row["id"], json_body(request) or {})
        return JSONResponse({"id": str(row["id"]), "name": row["name"], "size": store.size(str(row["id"]))})

    def rows(request: Request) -> Response:
        return JSONResponse(store.rows(str(request.path_params["audience"])))

    return [
        Route("/settings", settings, methods=["GET", "PUT"]),
        Route("/audiences", audiences, methods=["GET"]),
        Route("/audiences/{audience:int}", audience, methods=["GET", "POST"]),
        Route("/audiences/{audience:int}/rows", rows, methods=["GET"]),
    ]
