"""The document that clients read, in OpenAPI 3.1, made from what the routes declare."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from typing_extensions import NotRequired, TypedDict

from dnslb import __version__
from dnslb.config.model import Role
from dnslb.web.route import PREFIX, Error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslb.web.route import Route

__all__ = ["document"]

REF: Final = "#/components/schemas/{model}"

ALWAYS: Final = (
    Error(401, "unauthorized", "no token of the API was sent"),
    Error(403, "host", "asked by a browser, or without tokens: the host is no name of the server"),
    Error(403, "origin", "a browser sent it for a web page of another origin"),
    Error(429, "rate", "too many requests"),
    Error(503, "starting", "the first round of checks has not ended"),
)
"""How every request may be refused."""

TAKEN: Final = {
    400: "what was sent is not as described",
    408: "the body took too long",
    413: "the body is too large",
    415: "the body is no JSON by its type",
}
"""How requests may be refused that bring something along."""


class ErrorBody(TypedDict):
    """What went wrong."""

    code: str
    message: str
    problems: NotRequired[list[str]]  # of a configuration


class ErrorView(TypedDict):
    """A refusal."""

    error: ErrorBody


def document(routes: Iterable[Route], *, tokens: bool) -> dict[str, Any]:
    """The API of `routes`; `tokens`: whether one is needed."""
    routes = list(routes)
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = f"{PREFIX}/{route.path}"
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    _schema(ErrorView, schemas)
    shown: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "dnslb",
            "version": __version__,
            "description": "An authoritative DNS server that balances load.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    if tokens:
        shown["security"] = [{"token": []}]
    return shown


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"text/plain": {}}
    if isinstance(route.answer, str):
        answer = {route.answer: {"schema": {"type": "string"}}}
    else:
        answer = {"application/json": {"schema": _schema(route.answer, schemas)}}
    responses: dict[str, Any] = {"200": {"description": "As asked.", "content": answer}}
    for status, meanings in _refusals(route).items():
        responses[str(status)] = {
            "description": "; ".join(dict.fromkeys(meanings)),
            "content": {"application/json": {"schema": _ref("ErrorView")}},
        }
    operation: dict[str, Any] = {
        "operationId": _identifier(route),
        "summary": route.summary,
        "parameters": [*_in_path(route.path), *_in_query(route)],
        "responses": responses,
        "tags": [route.path.partition("/")[0]],
    }
    if route.role is Role.OPERATE:
        operation["description"] = "Needs a token with the role `operate`, where tokens are needed."
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body.model_json_schema().get("required") is not None,
            "content": {"application/json": {"schema": _model(route.body, schemas)}},
        }
    return operation


def _refusals(route: Route) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {status: [when] for status, when in TAKEN.items()}
    for status, code, when in (*ALWAYS, *route.errors):
        found.setdefault(status, []).append(f"`{code}`: {when}")
    if route.role is Role.OPERATE:
        found.setdefault(403, []).append("`role`: the token may only read")
    return dict(sorted(found.items()))


def _in_path(path: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "pattern": "^[^/]+$"}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _in_query(route: Route) -> list[dict[str, Any]]:
    shape = route.query.model_json_schema()
    required = shape.get("required", [])
    parameters = []
    for name, schema in shape.get("properties", {}).items():
        described = {key: value for key, value in schema.items() if key not in {"title", "default"}}
        description = described.pop("description", "")
        # what a query leaves out is no null
        some = [one for one in described.pop("anyOf", []) if one != {"type": "null"}]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": description,
                "schema": {**described, **(some[0] if some else {})},
            }
        )
    return parameters


def _identifier(route: Route) -> str:
    words = re.sub(r"[{}.]", "", route.path).replace("-", "/").split("/")
    return "_".join([route.method.lower(), *words])


def _model(kind: Any, schemas: dict[str, Any]) -> Mapping[str, Any]:
    _, shown = models_json_schema([(kind, "validation")], ref_template=REF)
    schemas.update(shown.get("$defs", {}))
    return _ref(kind.__name__)


def _schema(kind: Any, schemas: dict[str, Any]) -> Mapping[str, Any]:
    """The schema of a typed dictionary, put among the others with those that it refers to."""
    shown = TypeAdapter(kind).json_schema(
        ref_template=REF, mode="serialization", schema_generator=_Schemas
    )
    found = shown.pop("$defs", {})
    name = kind.__name__
    for key, value in found.items():
        _put(schemas, key, value)
    if "$ref" not in shown:
        _put(schemas, name, shown)
    return _ref(name)


def _put(schemas: dict[str, Any], name: str, schema: Any) -> None:
    if schemas.setdefault(name, schema) != schema:
        raise ValueError(f"two shapes of the API are called {name}")


class _Schemas(GenerateJsonSchema):
    """Schemas that say what there is, no titles beside it."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(model=name)}
