"""Hypothesis strategies for JSON that follows a schema, for the keywords our descriptions use."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
# Longer arrays, objects and texts are made by the tests of their limits.
_FEW = 4
_TEXT = 24


def following(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that ``schema`` allows; one with a keyword that is unknown here fails the test."""
    unknown = set(schema) - _KEYWORDS
    assert not unknown, f"{sorted(unknown)} of {schema}"
    if "anyOf" in schema:
        return st.one_of([following(one) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    if "type" not in schema:
        return ANY_JSON
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_MAKERS[kind](schema) for kind in kinds])


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "contentSchema" in schema:
        return following(schema["contentSchema"]).map(json.dumps)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    least, most = schema.get("minLength", 0), min(schema.get("maxLength", _TEXT), _TEXT)
    # Most are not empty, which hypothesis otherwise likes best, and some are JSON.
    one = max(least, 1)
    return st.one_of(
        st.text(min_size=one, max_size=most),
        st.text(min_size=least, max_size=most),
        st.just('{"a": 1}'),
        st.just("Once upon a time"),
    )


def _integer(schema: dict[str, Any]) -> st.SearchStrategy[int]:
    low, high = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
    # Ids of a small vocabulary and of a single adapter lie at the lower end.
    return st.one_of(*(st.integers(low, min(high, low + width)) for width in (1, 1000, high - low)))


def _array(schema: dict[str, Any]) -> st.SearchStrategy[list[Any]]:
    if "prefixItems" in schema:
        return st.tuples(*map(following, schema["prefixItems"])).map(list)
    least = schema.get("minItems", 0)
    most = min(schema.get("maxItems", _FEW), max(_FEW, least))
    return st.lists(following(schema.get("items", {})), min_size=least, max_size=most)


def _object(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    known = {name: following(one) for name, one in schema.get("properties", {}).items()}
    required = schema.get("required", [])
    if not known:
        values = following(schema.get("additionalProperties", {}))
        return st.dictionaries(st.text(max_size=8), values, max_size=_FEW)
    # Few of many members at once, so that one wrong combination does not hide all others.
    optional = st.lists(st.sampled_from(sorted(known)), max_size=2 * _FEW, unique=True)
    return optional.flatmap(
        lambda names: st.fixed_dictionaries({name: known[name] for name in {*required, *names}})
    )


_MAKERS: dict[str, Any] = {
    "null": lambda schema: st.none(),
    "boolean": lambda schema: st.booleans(),
    "integer": _integer,
    "number": lambda schema: st.floats(
        schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False
    ),
    "string": _string,
    "array": _array,
    "object": _object,
}
_KEYWORDS = {
    *("anyOf", "enum", "const", "type", "pattern", "minLength", "maxLength", "minItems"),
    *("maxItems", "prefixItems", "items", "properties", "required", "additionalProperties"),
    *("maxProperties", "minimum", "maximum", "contentMediaType", "contentSchema"),
}
