"""Trained projectors: what the model says of pictures and sounds is right.

tests/models/train_projectors.py and train_senses.py made the models.
"""

from __future__ import annotations

import base64
import io
import math
import random
import struct
import wave
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from api_harness import LiveServer
from fake_core import ROOT
from llamabox.option_parser import parse
from real_core import serving

MODELS = ROOT / "tests/models"
EYES = ("mlp", "gemma3", "idefics3", "pixtral", "qwen25vl")
# The text model was trained on at most 41 rows a picture, and Pixtral gives 55.
ORDERED_EYES = tuple(name for name in EYES if name != "pixtral")
COLOURS = {
    "red": (220, 20, 20),
    "green": (25, 165, 38),
    "blue": (25, 38, 220),
    "yellow": (242, 225, 30),
    "black": (8, 8, 8),
    "white": (247, 247, 247),
    "orange": (250, 140, 15),
    "purple": (133, 30, 158),
}
SIDE = 112
RATE = 16_000


def started(name: str) -> list[str]:
    words = f"-m {MODELS}/senses.gguf --mmproj {MODELS}/mmproj-trained-{name}.gguf"
    return [*words.split(), *"-c 2048 -np 2 -t 1 --poll 0".split()]


@pytest.fixture(scope="module", params=EYES)
def seeing(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    with serving(parse(started(request.param)).config) as live:
        yield live


@pytest.fixture(scope="module")
def hearing() -> Iterator[LiveServer]:
    with serving(parse(started("ultravox")).config) as live:
        yield live


def painted(most: str, other: str) -> dict[str, Any]:
    """A picture mostly of one colour, with a stripe and a corner of another."""
    image = Image.new("RGB", (SIDE, SIDE), COLOURS[most])
    image.paste(COLOURS[other], (0, 24, SIDE, 40))
    image.paste(COLOURS[other], (64, 72, SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, "PNG")
    url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def sound(kind: str, seconds: float = 2.0) -> dict[str, Any]:
    rng = random.Random(5)
    hertz = {"low": 220, "high": 3000}.get(kind, 0)
    values = (
        math.sin(2 * math.pi * hertz * at / RATE) if hertz else rng.uniform(-1, 1)
        for at in range(int(RATE * seconds))
    )
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", int(16000 * value)) for value in values))
    data = base64.b64encode(out.getvalue()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def turn(role: str, *parts: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if type(part) is str else part for part in parts]
    return {"role": role, "content": content}


def said(server: LiveServer, *messages: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    body = {"messages": list(messages), "max_tokens": 16, "temperature": 0}
    reply = server.post("/v1/chat/completions", body)
    assert reply.status == 200, reply.body
    answer = reply.json()
    return answer["choices"][0]["message"]["content"], answer["usage"]


def test_the_dominant_colour_is_named(seeing: LiveServer) -> None:
    names = list(COLOURS)
    for most, other in zip(names, names[3:] + names[:3], strict=True):
        answer, _ = said(seeing, turn("user", painted(most, other), "What colour is this?"))
        assert answer == f"The image is {most}."


@pytest.mark.parametrize("seeing", ORDERED_EYES, indirect=True)
def test_two_pictures_are_told_apart_in_their_order(seeing: LiveServer) -> None:
    for first, second in (("red", "blue"), ("blue", "red"), ("white", "green"), ("green", "black")):
        pictures = painted(first, "yellow"), painted(second, "purple")
        answer, _ = said(seeing, turn("user", *pictures, "Which colours are these?"))
        assert answer == f"First {first}, then {second}."


def test_a_second_turn_has_the_first_picture_read_already(seeing: LiveServer) -> None:
    first = turn("user", painted("orange", "black"), "What colour is this?")
    answer, usage = said(seeing, first)
    n_read = usage["prompt_tokens"]
    second = turn("user", painted("purple", "white"), "What colour is this?")
    answer, usage = said(seeing, first, turn("assistant", answer), second)
    assert answer == "The image is purple."
    # All that the first turn read, but for a token where the new text joins on.
    assert usage["prompt_tokens_details"]["cached_tokens"] + 2 >= n_read


@pytest.mark.parametrize("kind", ["low", "high", "noisy"])
def test_a_sound_is_named(hearing: LiveServer, kind: str) -> None:
    answer, _ = said(hearing, turn("user", sound(kind), "What do you hear?"))
    assert answer == f"The sound is {kind}."


def test_two_sounds_are_told_apart_in_their_order(hearing: LiveServer) -> None:
    for first, second in (("low", "high"), ("high", "low"), ("noisy", "high")):
        sounds = sound(first), sound(second)
        answer, _ = said(hearing, turn("user", *sounds, "Which sounds are these?"))
        assert answer == f"First {first}, then {second}."
