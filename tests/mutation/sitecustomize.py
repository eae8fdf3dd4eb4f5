"""Switches one row of tests/spec/compatibility.tsv off, in every Python process that is started.

tools/check_compat puts this folder on PYTHONPATH and the row's kind and name into
LLAMABOX_TEST_MUTATION; without the variable nothing happens. The product knows nothing of it: the
point of effect is replaced from outside, in the test's process and in the servers it starts.
"""

from __future__ import annotations

import copy
import os
from typing import Any

VARIABLE = "LLAMABOX_TEST_MUTATION"


def ignore_flag(spelling: str) -> None:
    """The option is read and then ignored."""
    from llamabox import option_parser
    from llamabox.option_table import BY_NAME

    option = BY_NAME[spelling]
    apply = option_parser._Reader._apply
    results = ("values", "spelled", "warnings", "action", "action_filter")

    def applied(self: Any, found: Any, flag: str, attached: str | None) -> None:
        kept = {name: copy.copy(getattr(self, name)) for name in results}
        apply(self, found, flag, attached)
        if found is option:
            for name, value in kept.items():
                setattr(self, name, value)

    option_parser._Reader._apply = applied  # type: ignore[method-assign]


def ignore_setting(spelling: str) -> None:
    """The setting of an option has its default whoever makes it, for tests without a parser."""
    from llamabox.config import ServerConfig
    from llamabox.option_table import BY_NAME

    target = BY_NAME[spelling].effect.target  # type: ignore[union-attr]
    group, name = target.split(".")
    kind: Any = type(getattr(ServerConfig(), group))
    default, make = ServerConfig().get(target), kind.__init__

    def pinned(self: Any, **fields: Any) -> None:
        make(self, **{**fields, name: default})

    kind.__init__ = pinned


def ignore_field(route: str, name: str) -> None:
    """The field is dropped before the route's table reads the body."""
    from llamabox.api import schema
    from llamabox.api.image_routes import IMAGE_ROUTES
    from llamabox.api.routes import MODEL_ROUTES

    routes = (*MODEL_ROUTES, *(route for route in IMAGE_ROUTES if route.fields))
    (table,) = (r.fields for r in routes if f"{r.method} {r.path}" == route)
    read = schema.read_fields

    def without(body: dict[str, Any], fields: Any) -> Any:
        if fields is table:
            body = {key: value for key, value in body.items() if key != name}
        return read(body, fields)

    _replace_everywhere("read_fields", read, without)


def _replace_everywhere(name: str, old: object, new: object) -> None:
    """The routes have been imported, each with the function in its own module."""
    import sys

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("llamabox") and vars(module).get(name) is old:
            setattr(module, name, new)


def remove_route(method: str, path: str) -> None:
    """The route is never added to the table."""
    from llamabox.http.router import Router

    add = Router.add

    def added(self: Router, other: str, at: str, *arguments: Any, **options: Any) -> None:
        if (other, at) != (method, path):
            add(self, other, at, *arguments, **options)

    Router.add = added  # type: ignore[assignment]


def apply_mutation(text: str) -> None:
    """``"flag --temp"``, ``"setting --temp"``, ``"endpoint GET /health"`` or
    ``"field POST /tokenize content"``."""
    kind, *words = text.split()
    if kind == "flag":
        ignore_flag(*words)
    elif kind == "setting":
        ignore_setting(*words)
    elif kind == "endpoint":
        remove_route(*words)
    else:
        ignore_field(" ".join(words[:2]), words[2])


if os.environ.get(VARIABLE):
    apply_mutation(os.environ[VARIABLE])
