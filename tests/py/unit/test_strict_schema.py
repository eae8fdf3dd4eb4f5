"""What ``strict`` refuses, kind of node by kind of node."""

from typing import Any

import pytest

from llamabox.strict_schema import unenforced


def in_object(member: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": member}, "required": ["x"]}


@pytest.mark.parametrize(
    "member",
    [
        {"type": "string", "minLength": 1, "maxLength": 3, "description": "d"},
        {"type": "string", "pattern": "^a$"},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 1, "exclusiveMaximum": 9},
        {"type": "number"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        {"type": "array", "prefixItems": [{"type": "string"}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "X"},
        {"type": ["string", "null"], "maxLength": 3},
        {"type": ["integer", "null"], "minimum": 3},
        {"enum": ["a", "b"], "type": "string"},
        {"const": 3},
        {"$ref": "#/$defs/y"},
        {"allOf": [{"type": "string"}]},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        # A member may be called like a keyword.
        {"type": "object", "properties": {"not": {"type": "string"}}, "required": ["not"]},
    ],
)
def test_what_a_grammar_holds_passes(member: dict[str, Any]) -> None:
    assert unenforced(in_object(member)) is None


@pytest.mark.parametrize(
    ("member", "keyword"),
    [
        ({"type": "integer", "multipleOf": 3}, "multipleOf"),
        ({"type": "number", "minimum": 3}, "minimum"),
        ({"type": "string", "format": "email"}, "format"),
        ({"type": "string", "pattern": "^a$", "maxLength": 3}, "maxLength"),
        ({"type": "string", "format": "date", "minLength": 3}, "minLength"),
        ({"type": "array", "items": {}, "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "items": {"not": {}}}, "items/not"),
        ({"type": "array", "prefixItems": [{}], "minItems": 1}, "minItems"),
        ({"anyOf": [{"type": "string"}], "maxLength": 2}, "maxLength"),
        ({"anyOf": [{"type": "string", "if": {}}]}, "anyOf/0/if"),
        ({"$ref": "#/$defs/y", "maxLength": 2}, "maxLength"),
        ({"enum": ["a"], "maxLength": 2}, "maxLength"),
        ({"type": "object", "patternProperties": {}}, "patternProperties"),
        ({"type": "object", "properties": {}, "required": ["y"]}, "required"),
        ({"type": ["integer", "string"], "multipleOf": 2}, "multipleOf"),
        ({"$defs": {"y": {"type": "string", "contentEncoding": "x"}}}, "$defs/y/contentEncoding"),
    ],
)
def test_what_it_does_not_hold_is_named(member: dict[str, Any], keyword: str) -> None:
    assert unenforced(in_object(member)) == f"properties/x/{keyword}"


@pytest.mark.parametrize("keyword", ["required", "properties", "format", "type", "items", "anyOf"])
@pytest.mark.parametrize("value", [None, 3, "x", [], [[]], [{}], {}, {"a": 3}])
def test_what_is_no_schema_is_left_to_the_converter(keyword: str, value: object) -> None:
    unenforced({"type": "object", keyword: value})
