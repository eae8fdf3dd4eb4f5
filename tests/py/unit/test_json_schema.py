"""Bounds on schemas; what they mean is the core's business."""

import json
from typing import Any

import pytest

from llamabox.json_schema import MAX_DEPTH, MAX_PROPERTIES, schema_text


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


def test_a_schema_keeps_its_order_and_an_empty_one_is_any_object() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    assert list(json.loads(schema_text(schema))["properties"]) == ["b", "a"]
    assert json.loads(schema_text({})) == {"type": "object"}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (nested(MAX_DEPTH), "nested"),
        (nested(100_000), "nested"),
        ({"properties": {str(i): {} for i in range(MAX_PROPERTIES + 1)}}, "properties"),
        ({"pattern": "^" + "a" * 1024 + "$"}, "pattern"),
        ({"enum": ["x" * 300_000]}, "bytes"),
    ],
)
def test_what_is_too_large_is_said(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        schema_text(schema)


def test_the_limits_themselves_are_allowed() -> None:
    schema_text(nested(MAX_DEPTH - 1))
    schema_text({"properties": {str(i): {} for i in range(MAX_PROPERTIES)}})
