"""The fields of image requests: JSON for generations, a form for edits, one meaning for both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from llamabox.api.checks import (
    array,
    boolean,
    check_loras,
    described,
    integer,
    kind_of,
    mapping,
    name,
    number,
    refuse,
    schema_of,
    text,
)
from llamabox.api.schema import MAX_MODEL_BYTES, Field
from llamabox.http.multipart import Part
from llamabox.image_config import MAX_SIDE, MIN_SIDE, SIDE_MULTIPLE
from llamabox.image_names import SAMPLERS, SCHEDULES

MAX_PROMPT_BYTES = 32 * 1024
MAX_STEPS = 150
MAX_SCALE = 100.0
MAX_SEED = 2**53 - 1
MAX_IMAGES = 64
_MAX_LAYERS = 512
_MAX_CHUNK_BYTES = 16 * 1024 * 1024
_MAX_PICTURES = 16
_FILE = {"type": "string", "format": "binary"}
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
# The largest text of a form's field, which is a prompt.
_MAX_FORM_TEXT_BYTES = 64 * 1024


def _one_of(*names: str) -> Any:
    def check(value: Any, path: str) -> str:
        if text(value, path) not in names:
            refuse(path, "must be one of " + ", ".join(names))
        return str(value)

    return described(check, {"type": "string", "enum": list(names)})


def check_prompt(value: Any, path: str) -> str:
    """Text that may be empty."""
    n_bytes = len(text(value, path).encode())
    if n_bytes > MAX_PROMPT_BYTES:
        refuse(path, f"has {n_bytes} bytes; at most {MAX_PROMPT_BYTES} are taken")
    return str(value)


def check_size(value: Any, path: str) -> tuple[int, int] | None:
    """WIDTHxHEIGHT in pixels, or "auto" for the default."""
    if text(value, path) == "auto":
        return None
    match = _SIZE.fullmatch(value)
    if match is None:
        refuse(path, "must be WIDTHxHEIGHT in pixels, such as 512x512")
    size = int(match[1]), int(match[2])
    for side in size:
        if not MIN_SIDE <= side <= MAX_SIDE or side % SIDE_MULTIPLE:
            refuse(
                path,
                f"is {size[0]}x{size[1]}; each side must be a multiple of {SIDE_MULTIPLE}"
                f" from {MIN_SIDE}",
            )
    return size


def check_seed(value: Any, path: str) -> int | None:
    """-1 is a random seed."""
    seed: int = integer(-1, MAX_SEED)(value, path)
    return None if seed == -1 else seed


def check_layers(value: Any, path: str) -> list[int]:
    """Numbers of layers."""
    check = integer(0, _MAX_LAYERS)
    items = array(value, path, 0, _MAX_LAYERS)
    return [check(item, f"{path}[{at}]") for at, item in enumerate(items)]


def check_preview(value: Any, path: str) -> str | None:
    """Whether there are previews; "full" decodes them as the image will be."""
    if value == "full":
        return "FULL"
    if type(value) is not bool:
        refuse(path, f'must be a boolean or "full", not {kind_of(value)}')
    return "FAST" if value else None


def check_stream_options(value: Any, path: str) -> dict[str, Any]:
    """The members that are there, each on its own."""
    members = mapping(value, path)
    return {
        key: check(members[key], f"{path}.{key}")
        for key, check in STREAM_OPTIONS.items()
        if members.get(key) is not None
    }


def check_pictures(value: Any, path: str) -> list[bytes]:
    """The parts of a form that are pictures to begin with, one or more."""
    return [check_file(item, path) for item in array(value, path, 1, _MAX_PICTURES)]


def check_file(value: Any, path: str) -> bytes:
    """A part of a form that is a picture; whether it is one is seen when it is read."""
    if type(value) is not bytes:
        refuse(path, "must be a file")
    return value


STREAM_OPTIONS = {
    "include_usage": boolean,
    "chunk_result": boolean,
    "chunk_size": integer(1, _MAX_CHUNK_BYTES),
    "preview": check_preview,
    "preview_faster": boolean,
}

described(check_file, _FILE)
described(check_pictures, {"type": "array", "items": _FILE, "maxItems": _MAX_PICTURES})
described(check_size, {"type": "string", "pattern": "^([0-9]+x[0-9]+|auto)$"})
described(check_prompt, {"type": "string"})
described(check_seed, {"type": "integer", "minimum": -1, "maximum": MAX_SEED})
described(check_layers, {"type": "array", "items": {"type": "integer", "minimum": 0}})
described(check_preview, {"type": ["boolean", "string"]})
described(check_stream_options, {"type": "object"})

_sampler, _schedule = _one_of(*SAMPLERS), _one_of(*SCHEDULES)
_steps, _scale, _share = integer(1, MAX_STEPS), number(0, MAX_SCALE), number(0, 1)

_SHARED = (
    Field("model", name(MAX_MODEL_BYTES), "reply.model"),
    Field("prompt", check_prompt, "image.prompt", required=True),
    Field("negative_prompt", check_prompt, "image.negative_prompt"),
    Field("n", integer(1, MAX_IMAGES), "image.n"),
    Field("size", check_size, "choice.size"),
    Field("quality", _one_of("standard", "hd", "auto"), "choice.quality"),
    Field("style", _one_of("vivid", "natural"), "choice.style"),
    Field("response_format", _one_of("b64_json"), "none.response_format"),
    Field("output_format", _one_of("png", "jpeg", "webp"), "output.format"),
    Field("output_compression", integer(0, 100), "output.quality"),
    Field("seed", check_seed, "image.seed"),
    Field("sampler", _sampler, "image.sampler"),
    Field("sample_method", _sampler, "image.sampler"),
    Field("sample_steps", _steps, "image.steps"),
    Field("sampling_steps", _steps, "image.steps"),
    Field("scheduler", _schedule, "image.schedule"),
    Field("schedule", _schedule, "image.schedule"),
    Field("schedule_method", _schedule, "image.schedule"),
    Field("guidance", _scale, "image.guidance"),
    Field("cfg_scale", _scale, "image.cfg_scale"),
    Field("slg_scale", _scale, "slg.scale"),
    Field("slg_skip_layers", check_layers, "slg.layers"),
    Field("slg_start", _share, "slg.start"),
    Field("slg_end", _share, "slg.end"),
    Field("lora", check_loras, "choice.loras"),
    Field("stream", boolean, "reply.stream"),
)

GENERATE = (
    *_SHARED,
    Field("stream_options", check_stream_options, "stream.options"),
)

EDIT = (
    *_SHARED,
    Field("image", check_pictures, "files.image", required=True),
    Field("mask", check_file, "files.mask"),
    Field("control", check_file, "files.control"),
    Field("strength", _share, "image.strength"),
    Field("control_strength", _share, "image.control_strength"),
    Field("control_canny", boolean, "image.control_canny"),
    *(
        Field(f"stream_options_{key}", check, f"stream.{key}")
        for key, check in STREAM_OPTIONS.items()
    ),
)


def form_values(parts: Sequence[Part], table: Sequence[Field]) -> dict[str, Any]:
    """The fields of a form as the values that ``table`` checks. Raises InvalidArgumentError."""
    schemas = {field.name: schema_of(field.check) for field in table}
    values: dict[str, Any] = {}
    for part in parts:
        # Clients that can send several pictures name each of them so.
        name = part.name.removesuffix("[]")
        if name not in schemas:
            continue
        if schemas[name].get("items") == _FILE:
            values.setdefault(name, []).append(part.data)
            continue
        if name in values:
            refuse(name, "is given twice")
        values[name] = _value(part, name, schemas[name])
    return values


def _value(part: Part, path: str, schema: dict[str, Any]) -> Any:
    """The bytes of a file, the text of a text, and the JSON of anything else."""
    if schema == _FILE:
        return part.data
    if len(part.data) > _MAX_FORM_TEXT_BYTES:
        refuse(path, f"has more than {_MAX_FORM_TEXT_BYTES} bytes")
    try:
        read = part.data.decode()
    except UnicodeDecodeError:
        refuse(path, "is not UTF-8")
    if schema.get("type") == "string":
        return read
    if read == "":
        return None
    try:
        return orjson.loads(read)
    except orjson.JSONDecodeError:
        # The check says what it wants instead.
        return read
