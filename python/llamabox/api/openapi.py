"""GET /openapi.json: the server's description of itself (OpenAPI 3.1), made from its tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llamabox.api.checks import schema_of
from llamabox.api.routes import ModelRoute
from llamabox.api.schema import Field

_NOT_A_WORD = re.compile(r"\W+")
_ERROR = {
    "type": "object",
    "required": ["error", "detail"],
    "properties": {
        "detail": {"type": "string"},
        "error": {
            "type": "object",
            "required": ["code", "message", "type", "param"],
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
            },
        },
    },
}
_PROBES = {
    "/health": ("Whether the model answers; 404 while it loads", ("200", "404", "503")),
    "/livez": ("Whether the process answers", ("200",)),
    "/readyz": ("Whether clients should be sent here", ("200", "503")),
}


def describe(routes: Sequence[ModelRoute], prefix: str, needs_key: bool) -> dict[str, Any]:
    """The whole document; ``prefix`` stands in front of every path."""
    paths: dict[str, Any] = {}
    for path, (summary, statuses) in _PROBES.items():
        responses = {status: _answer(status, streams=False) for status in statuses}
        operation = {"operationId": path[1:], "summary": summary, "security": []}
        paths[prefix + path] = {"get": {**operation, "responses": responses}}
    for route in routes:
        methods = paths.setdefault(prefix + route.path, {})
        methods[route.method.lower()] = _operation(route)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "llamabox", "version": "1"},
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
    }
    if needs_key:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document["security"] = [{"bearer": []}, {"header": []}]
    return document


def _operation(route: ModelRoute) -> dict[str, Any]:
    statuses = ["200", "401", "403", "404", "421", "503"]
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{_NOT_A_WORD.sub('_', route.path)}",
        "summary": route.summary,
    }
    if route.parameters:
        operation["parameters"] = list(route.parameters)
    if route.streams:
        statuses.append("410")
    if route.fields or route.body:
        statuses += ["400", "408", "413", "415", "429", "500"]
        schema = schema_of(route.body) if route.body else body_schema(route.fields)
        kind = "multipart/form-data" if route.form else "application/json"
        content = {kind: {"schema": schema}}
        is_required = bool(route.body) or any(field.required for field in route.fields)
        operation["requestBody"] = {"required": is_required, "content": content}
    elif route.form:
        statuses += ["400", "413", "415", "429", "500"]
        form = {"multipart/form-data": {"schema": {"type": "object", "required": ["file"]}}}
        operation["requestBody"] = {"required": True, "content": form}
    operation["responses"] = {status: _answer(status, route.streams) for status in statuses}
    return operation


def _answer(status: str, streams: bool) -> dict[str, Any]:
    if status != "200":
        content: dict[str, Any] = {
            "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}
        }
        return {"description": "An error", "content": content}
    content = {"application/json": {"schema": {}}}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": "The answer", "content": content}


def body_schema(fields: Sequence[Field]) -> dict[str, Any]:
    """The object that a table of fields reads; null stands for an absent field."""
    properties: dict[str, Any] = {}
    for field in fields:
        schema = schema_of(field.check)
        properties[field.name] = (
            schema if field.required or not schema else {"anyOf": [schema, {"type": "null"}]}
        )
    required = [field.name for field in fields if field.required]
    return {"type": "object", "required": required, "properties": properties}
