"""The parts of a message that are no text: OpenAI's ``image_url`` and ``input_audio``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from llamabox.api.checks import JsonSchema, mapping, refuse, text

_DETAILS = ("auto", "low", "high", "original")
_SOUNDS = ("wav", "mp3", "flac")


@dataclass(frozen=True, slots=True)
class MediaPart:
    """A picture or a sound as the client sent it."""

    kind: Literal["image", "audio"]
    # The field, for errors.
    path: str
    # A URL, a data URL, or base64 without anything around it.
    source: str
    # It stands before this byte of the message's content.
    at: int
    # Whether few pixels are enough.
    low_detail: bool = False


def check_image(part: dict[str, Any], path: str, at: int) -> MediaPart:
    """``{"type": "image_url", "image_url": {"url": ..., "detail": ...}}``; a bare string is the
    URL."""
    path = f"{path}.image_url"
    value = part.get("image_url")
    if type(value) is str:
        return MediaPart("image", path, value, at)
    fields = mapping(value, path)
    detail = fields.get("detail")
    if detail is not None and detail not in _DETAILS:
        refuse(f"{path}.detail", f"must be one of {', '.join(map(repr, _DETAILS))}")
    url = text(fields.get("url"), f"{path}.url")
    return MediaPart("image", f"{path}.url", url, at, detail == "low")


def check_audio(part: dict[str, Any], path: str, at: int) -> MediaPart:
    """``{"type": "input_audio", "input_audio": {"data": ..., "format": ...}}``; what the sound
    really is, its first bytes tell."""
    path = f"{path}.input_audio"
    fields = mapping(part.get("input_audio"), path)
    named = fields.get("format")
    if named is not None and named not in _SOUNDS:
        refuse(f"{path}.format", f"must be one of {', '.join(map(repr, _SOUNDS))}")
    data = text(fields.get("data"), f"{path}.data")
    if data[:5].lower() == "http:" or data[:6].lower() == "https:":
        refuse(f"{path}.data", "must be base64, not a URL")
    return MediaPart("audio", f"{path}.data", data, at)


IMAGE_SCHEMA: JsonSchema = {
    "type": "object",
    "required": ["type", "image_url"],
    "properties": {
        "type": {"const": "image_url"},
        "image_url": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "required": ["url"],
                    "properties": {
                        "url": {"type": "string"},
                        "detail": {"enum": [*_DETAILS, None]},
                    },
                },
            ]
        },
    },
}
AUDIO_SCHEMA: JsonSchema = {
    "type": "object",
    "required": ["type", "input_audio"],
    "properties": {
        "type": {"const": "input_audio"},
        "input_audio": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "string"}, "format": {"enum": [*_SOUNDS, None]}},
        },
    },
}
