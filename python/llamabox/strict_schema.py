"""Which keywords of a JSON schema a grammar cannot hold: ``strict`` must not promise them.

What counts in a node depends on what it is first of all, in the order of ``_kind``; upstream's
converter passes over the rest without a word. Covered by tests/py/unit/test_strict_schema.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Keywords that constrain nothing, and ``type``, which every kind has.
_NEUTRAL = frozenset(
    "$anchor $comment $defs $id $schema default definitions deprecated description examples"
    " readOnly title type writeOnly".split()
)
_LENGTHS = frozenset(("minLength", "maxLength"))
_BOUNDS = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
_ENFORCED: dict[str, frozenset[str]] = {
    "$ref": frozenset(("$ref",)),
    "oneOf": frozenset(("oneOf",)),
    "anyOf": frozenset(("anyOf",)),
    "allOf": frozenset(("allOf",)),
    "const": frozenset(("const",)),
    "enum": frozenset(("enum",)),
    "object": frozenset(("properties", "required", "additionalProperties")),
    "array": frozenset(("items", "minItems", "maxItems")),
    "tuple": frozenset(("prefixItems",)),
    "pattern": frozenset(("pattern",)),
    "format": frozenset(("format",)),
    "string": _LENGTHS,
    "integer": _BOUNDS,
}
_FORMATS = frozenset(("date", "time", "date-time", "uuid")) | {f"uuid{i}" for i in range(1, 6)}
_FIRST = ("$ref", "oneOf", "anyOf", "const", "enum")
# Which keyword makes a node without a type what it is.
_TYPE_OF = {
    "properties": "object",
    "additionalProperties": "object",
    "allOf": "allOf",
    "items": "array",
    "prefixItems": "array",
    "pattern": "string",
    "minLength": "string",
    "maxLength": "string",
    "format": "string",
}


def unenforced(schema: dict[str, Any]) -> str | None:
    """Path of the first keyword that would not be enforced; None when all of them are."""
    todo = [("", schema)]
    while todo:
        path, node = todo.pop()
        types = node.get("type")
        for one in types if isinstance(types, list) and types else [types]:
            enforced = _NEUTRAL | _enforced(node, one)
            for keyword in node:
                if keyword not in enforced and not _belongs_elsewhere(keyword, one, types):
                    return path + keyword
        if not _names(node, "required") <= _names(node, "properties"):
            return f"{path}required"
        todo += [(path + step, child) for step, child in _children(node)]
    return None


def _enforced(node: dict[str, Any], kind: Any) -> frozenset[str]:
    for keyword in _FIRST:
        if keyword in node:
            return _ENFORCED[keyword]
    if kind is None:
        kind = next((_TYPE_OF[keyword] for keyword in _TYPE_OF if keyword in node), None)
    if kind in ("object", "string") and "allOf" in node and "properties" not in node:
        kind = "allOf"
    elif kind == "array" and "items" not in node and "prefixItems" in node:
        kind = "tuple"
    elif kind == "string" and "pattern" in node:
        kind = "pattern"
    elif kind == "string" and str(node.get("format")) in _FORMATS:
        kind = "format"
    return _ENFORCED.get(str(kind), frozenset())


def _names(node: dict[str, Any], keyword: str) -> set[str]:
    value = node.get(keyword)
    return {str(name) for name in value} if isinstance(value, list | dict) else set()


def _belongs_elsewhere(keyword: str, kind: Any, types: Any) -> bool:
    """Of several types, a keyword constrains those it is made for only."""
    if not isinstance(types, list):
        return False
    return any(keyword in _ENFORCED.get(str(one), ()) for one in types if one != kind)


def _children(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Schemas directly inside one, with the step that leads there."""
    for keyword in ("properties", "$defs", "definitions"):
        members = node.get(keyword)
        if isinstance(members, dict):
            for name, child in members.items():
                if isinstance(child, dict):
                    yield f"{keyword}/{name}/", child
    for keyword in ("items", "additionalProperties"):
        child = node.get(keyword)
        if isinstance(child, dict):
            yield f"{keyword}/", child
    for keyword in ("oneOf", "anyOf", "allOf", "prefixItems"):
        children = node.get(keyword)
        if isinstance(children, list):
            for index, child in enumerate(children):
                if isinstance(child, dict):
                    yield f"{keyword}/{index}/", child
