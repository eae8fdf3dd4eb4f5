"""Finds the test-only extension module ``_core_fake`` and builds engines on its fake model."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from llamabox.engine import Engine
from llamabox.image_engine import ImageEngine
from llamabox.slot_files import SlotFolder

ROOT = Path(__file__).resolve().parent.parent.parent


def _import_fake() -> ModuleType:
    """Look in LLAMABOX_FAKE_DIR, then on the module path, then in the build folders."""
    folders = [os.environ.get("LLAMABOX_FAKE_DIR", "")]
    folders += [str(found.parent) for found in ROOT.glob("build/*/cpp/bindings/_core_fake*.so")]
    sys.path[:0] = [folder for folder in folders[:1] if folder]
    sys.path += folders[1:]
    try:
        return importlib.import_module("_core_fake")
    except ImportError as error:
        raise RuntimeError("_core_fake is not built: ninja -C build/dev _core_fake") from error


core: Any = _import_fake()

FIXED_TEXT = "the quick brown fox jumps over the lazy dog. "


def fake_text(n_prompt: int, n_tokens: int, fixed: str = FIXED_TEXT) -> str:
    """What the fake model says, greedily, after a prompt of ``n_prompt`` bytes."""
    repeated = fixed * ((n_prompt + n_tokens) // len(fixed) + 1)
    return repeated[n_prompt : n_prompt + n_tokens]


def rendered_length(*messages: tuple[str, str]) -> int:
    """Tokens of a conversation under the fake model's template."""
    return len("".join(f"{role}:{content}\n" for role, content in messages) + "assistant:")


def core_engine(
    n_slots: int = 4, n_queue: int = 256, params: dict[str, Any] | None = None, **model: Any
) -> Any:
    """An engine of the core on a fake model that says FIXED_TEXT; not started.

    ``params`` are more of the engine's own.
    """
    model = {"n_ctx": 2048, "n_cells": 8192, "fixed_text": FIXED_TEXT, **model}
    models = core.load_models(core.FakeModelParams(n_slots=n_slots, **model))
    return core.Engine(models, core.EngineParams(n_slots=n_slots, n_queue=n_queue, **params or {}))


def fake_engine(*counts: int, slot_folder: SlotFolder | None = None, **fields: Any) -> Engine:
    """The shell's engine on the same."""
    return Engine(core, core_engine(*counts, **fields), slot_folder)


def fake_image_engine(n_slots: int = 4, n_queue: int = 256, **model: Any) -> ImageEngine:
    """The shell's engine on an image model whose every byte is known; not started."""
    params = core.ImageEngineParams(n_slots=n_slots, n_queue=n_queue)
    loaded = core.load_image_model(core.FakeImageParams(**model))
    return ImageEngine(core, core.ImageEngine(loaded, params))


def fake_pixels(seed: int, n_bytes: int) -> bytes:
    """The first bytes of the image with this seed, made of nothing but a prompt."""
    return bytes((seed + at) % 256 for at in range(n_bytes))


def generate(text: str = "hi", n_tokens: int = 16, **fields: Any) -> Any:
    """A greedy request."""
    sampling = core.SamplingParams(temperature=0)
    body = core.GenerateRequest(
        prompt=core.TextPrompt(text=text), sampling=sampling, max_tokens=n_tokens, **fields
    )
    return core.Request(body=body)
