"""Compares what an image engine makes with what upstream's own tool made (tools/
make_image_golden.py)."""

from __future__ import annotations

import json
from typing import Any

from PIL import Image, ImageChops

from make_image_golden import FOLDER, PICTURES, SIDE, Case, golden, processor
from real_images import BareEngine


def _pixels(engine: BareEngine, kind: str) -> Any:
    picture = PICTURES[kind]()
    return engine.core.Pixels(SIDE, SIDE, len(picture.getbands()), picture.tobytes())


def made(engine: BareEngine, case: Case) -> bytes:
    """The engine's pixels."""
    pictures = {kind: _pixels(engine, kind) for kind in case.pictures}
    loras = engine.lora(case.adapter) if case.adapter else []
    return engine.make(SIDE, loras=loras, **case.asked(), **pictures)


def is_processor_of_golden() -> bool:
    """Whether this machine rounds as the one where the tool ran."""
    facts = json.loads((FOLDER / "facts.json").read_text(encoding="utf-8"))
    return bool(processor() == facts["cpu"])


def farthest(engine: BareEngine, case: Case) -> int:
    """The largest difference of any channel of any pixel."""
    expected = golden(case)
    ours = Image.frombytes("RGB", expected.size, made(engine, case))
    extrema: Any = ImageChops.difference(ours, expected).getextrema()
    return max(most for _, most in extrema)
