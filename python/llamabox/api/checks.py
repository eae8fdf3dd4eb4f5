"""Checks of single request fields. Each returns the value to use, or refuses it by name.

A check is called with the value and the field's path (``"stop[2]"``) and raises
InvalidArgumentError with that path as its ``param``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from llamabox.errors import InvalidArgumentError

INT32_MAX = 2**31 - 1
MAX_LORAS = 64
MAX_LORA_SCALE = 1000.0

Check = Callable[[Any, str], Any]

JsonSchema = dict[str, Any]

# Some checks are made for one request and must go with it.
_SCHEMAS: WeakKeyDictionary[Check, JsonSchema] = WeakKeyDictionary()


def described(check: Check, schema: JsonSchema) -> Check:
    """Note what ``check`` takes, for the description that the server gives of itself."""
    _SCHEMAS[check] = schema
    return check


def schema_of(check: Check) -> JsonSchema:
    """What ``check`` takes as a JSON schema; the empty one, which takes all, when nobody said."""
    return _SCHEMAS.get(check, {})


_KINDS = {
    "bool": "a boolean",
    "int": "a whole number",
    "float": "a number with a fraction",
    "str": "a string",
    "list": "an array",
    "dict": "an object",
    "NoneType": "null",
}


def refuse(path: str, problem: str) -> NoReturn:
    """Refuse the field at ``path``; ``problem`` completes the sentence that begins with it."""
    raise InvalidArgumentError(f"{path} {problem}", path)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value).__name__, type(value).__name__)


def integer(low: int, high: int) -> Check:
    """Whole numbers of a closed range."""

    def check(value: Any, path: str) -> int:
        if type(value) is not int:
            refuse(path, f"must be a whole number, not {kind_of(value)}")
        if not low <= value <= high:
            refuse(path, f"is {value}; it must be {low} to {high}")
        return value

    return described(check, {"type": "integer", "minimum": low, "maximum": high})


def number(low: float, high: float) -> Check:
    """Numbers of a closed range, whole ones included."""

    def check(value: Any, path: str) -> float:
        if type(value) is not int and type(value) is not float:
            refuse(path, f"must be a number, not {kind_of(value)}")
        if not low <= value <= high:
            refuse(path, f"is {value}; it must be {low:g} to {high:g}")
        return float(value)

    return described(check, {"type": "number", "minimum": low, "maximum": high})


def boolean(value: Any, path: str) -> bool:
    """True and false."""
    if type(value) is not bool:
        refuse(path, f"must be a boolean, not {kind_of(value)}")
    return value


def text(value: Any, path: str) -> str:
    """Any string."""
    if type(value) is not str:
        refuse(path, f"must be a string, not {kind_of(value)}")
    return value


def name(max_bytes: int) -> Check:
    """Strings of 1 to ``max_bytes`` bytes."""

    def check(value: Any, path: str) -> str:
        n_bytes = len(text(value, path).encode())
        if not 1 <= n_bytes <= max_bytes:
            refuse(path, f"has {n_bytes} bytes; it must have 1 to {max_bytes}")
        return str(value)

    return described(check, {"type": "string", "minLength": 1, "maxLength": max_bytes})


def array(value: Any, path: str, low: int, high: int) -> list[Any]:
    """Arrays of ``low`` to ``high`` items."""
    if type(value) is not list:
        refuse(path, f"must be an array, not {kind_of(value)}")
    if not low <= len(value) <= high:
        refuse(path, f"has {len(value)} items; it must have {low} to {high}")
    return value


def mapping(value: Any, path: str) -> dict[str, Any]:
    """Objects."""
    if type(value) is not dict:
        refuse(path, f"must be an object, not {kind_of(value)}")
    return value


def depth_of(value: Any, limit: int) -> int:
    """Levels of arrays and objects in a JSON value; counting stops above ``limit``."""
    level = [value]
    depth = 0
    while depth <= limit:
        level = [item for item in level if type(item) is dict or type(item) is list]
        if not level:
            break
        depth += 1
        level = [
            child for item in level for child in (item.values() if type(item) is dict else item)
        ]
    return depth


def token_ids(value: Any, path: str) -> list[int]:
    """Arrays of token ids; whether the vocabulary has them is for the model to say."""
    if type(value) is not list:
        refuse(path, f"must be an array of token ids, not {kind_of(value)}")
    # The path of an item is made only for one that is wrong: prompts can have 100,000 of them.
    for at, item in enumerate(value):
        if type(item) is not int or not 0 <= item <= INT32_MAX:
            integer(0, INT32_MAX)(item, f"{path}[{at}]")
    return value


described(boolean, {"type": "boolean"})
described(text, {"type": "string"})
described(
    token_ids,
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": INT32_MAX}},
)


def check_loras(value: Any, path: str) -> list[tuple[int, float]]:
    """Adapters by id with their scales; whether they exist is for the engine to say."""
    check_id, check_scale = integer(0, INT32_MAX), number(-MAX_LORA_SCALE, MAX_LORA_SCALE)
    loras: list[tuple[int, float]] = []
    for at, item in enumerate(array(value, path, 0, MAX_LORAS)):
        fields = mapping(item, f"{path}[{at}]")
        for name_ in ("id", "scale"):
            if fields.get(name_) is None:
                refuse(f"{path}[{at}].{name_}", "is required")
        lora_id = check_id(fields["id"], f"{path}[{at}].id")
        loras.append((lora_id, check_scale(fields["scale"], f"{path}[{at}].scale")))
    return loras


described(
    check_loras,
    {
        "type": "array",
        "maxItems": MAX_LORAS,
        "items": {
            "type": "object",
            "required": ["id", "scale"],
            "properties": {
                "id": {"type": "integer", "minimum": 0, "maximum": INT32_MAX},
                "scale": {"type": "number", "minimum": -MAX_LORA_SCALE, "maximum": MAX_LORA_SCALE},
            },
        },
    },
)
