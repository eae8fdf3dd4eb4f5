"""Each field of an image request, and each option, changes what it says and nothing else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson
import pytest

from image_jobs import edit, generation, png
from llamabox.errors import InvalidArgumentError
from llamabox.image_model_values import image_compute, image_files, image_placement
from llamabox.option_parser import parse
from llamabox.picture import Output

# A field, its value, and what changes.
FIELDS: list[tuple[str, Any, dict[str, Any]]] = [
    ("model", "other", {"model": "other"}),
    ("prompt", "a dog", {"prompt": "a dog"}),
    ("negative_prompt", "cats", {"negative_prompt": "cats"}),
    ("n", 2, {"n": 2}),
    ("size", "256x320", {"width": 256, "height": 320}),
    ("quality", "hd", {"steps": 22, "negative_prompt": "low quality"}),
    ("style", "vivid", {"negative_prompt": "not vivid"}),
    ("output_format", "jpeg", {"output": Output("jpeg")}),
    ("output_compression", 50, {"output": Output(quality=50)}),
    ("seed", 8, {"seed": 8}),
    ("sampler", "heun", {"sampler": "heun"}),
    ("sample_method", "lcm", {"sampler": "lcm"}),
    ("sample_steps", 3, {"steps": 3}),
    ("sampling_steps", 4, {"steps": 4}),
    ("scheduler", "simple", {"schedule": "simple"}),
    ("schedule", "karras", {"schedule": "karras"}),
    ("schedule_method", "default", {"schedule": "default"}),
    ("guidance", 2, {"guidance": 2}),
    ("cfg_scale", 4, {"cfg_scale": 4}),
    ("slg_scale", 2.5, {"slg_scale": 2.5}),
    ("slg_skip_layers", [1], {"slg_layers": [1]}),
    ("slg_start", 0.1, {"slg_start": 0.1}),
    ("slg_end", 0.5, {"slg_end": 0.5}),
    ("lora", [{"id": 0, "scale": 0.5}], {"loras": [{"id": 0, "scale": 0.5}]}),
    ("stream", True, {"stream": True}),
]
GENERATE = [
    *FIELDS,
    (
        "stream_options",
        {"include_usage": False, "chunk_result": True, "preview": True},
        {"include_usage": False, "chunk_size": 4096, "preview": "fast"},
    ),
]
EDIT = [
    *FIELDS,
    ("strength", 0.25, {"strength": 0.25}),
    ("control_strength", 0.5, {"control_strength": 0.5}),
    ("control_canny", True, {"control_canny": True}),
    ("stream_options_include_usage", False, {"include_usage": False}),
    ("stream_options_preview", "full", {"preview": "full"}),
    ("stream_options_preview_faster", True, {"preview": "fast"}),
    ("image", png((9, 9, 9)), {"init": (3, b"\x09\x09\x09")}),
    ("mask", png(255, "L"), {"mask": (1, b"\xff\xff\xff")}),
    ("control", png((7, 7, 7)), {"control": (3, b"\x07\x07\x07")}),
]
_WHITE = png((0, 0, 0))
_BASE: dict[str, Any] = {"prompt": "a cat", "seed": 7}


def _form(fields: dict[str, Any]) -> dict[str, bytes]:
    return {
        name: value if isinstance(value, bytes) else _text(value)
        for name, value in {"image": _WHITE, **_BASE, **fields}.items()
    }


def _text(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


def _json(fields: dict[str, Any]) -> bytes:
    return orjson.dumps({**_BASE, **fields})


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if before.get(name) != value}


@pytest.mark.parametrize(("name", "value", "changed"), GENERATE, ids=[row[0] for row in GENERATE])
def test_generate(name: str, value: Any, changed: dict[str, Any]) -> None:
    assert _changes(generation(_json({})), generation(_json({name: value}))) == changed


@pytest.mark.parametrize(("name", "value", "changed"), EDIT, ids=[row[0] for row in EDIT])
def test_edit(name: str, value: Any, changed: dict[str, Any]) -> None:
    assert _changes(edit(_form({})), edit(_form({name: value}))) == changed


def test_parts_have_a_size_where_they_are_wanted() -> None:
    wanted = {"stream_options_chunk_result": True}
    assert _changes(edit(_form({})), edit(_form(wanted))) == {"chunk_size": 4096}


def test_the_size_of_parts_is_the_one_asked_for() -> None:
    both = {"stream_options_chunk_result": True, "stream_options_chunk_size": 99}
    assert _changes(edit(_form({})), edit(_form(both))) == {"chunk_size": 99}


@pytest.mark.parametrize("make", ["generate", "edit"])
def test_only_base64_is_answered(make: str) -> None:
    url = {"response_format": "url"}
    with pytest.raises(InvalidArgumentError) as refusal:
        generation(_json(url)) if make == "generate" else edit(_form(url))
    assert refusal.value.param == "response_format"


# An option, its word, and what a request gets.
REQUESTED: list[tuple[str, str, dict[str, Any]]] = [
    ("--image-guidance", "2", {"guidance": 2}),
    ("--image-strength", "0.5", {"strength": 0.5}),
    ("--image-sampler", "lcm", {"sampler": "lcm"}),
    ("--image-sample-steps", "3", {"steps": 3}),
    ("--image-cfg-scale", "2", {"cfg_scale": 2}),
    ("--image-slg-scale", "2", {"slg_scale": 2}),
    ("--image-slg-skip-layer", "1", {"slg_layers": [1]}),
    ("--image-slg-start", "0.1", {"slg_start": 0.1}),
    ("--image-slg-end", "0.5", {"slg_end": 0.5}),
    ("--image-schedule", "simple", {"schedule": "simple"}),
    ("--image-control-strength", "0.5", {"control_strength": 0.5}),
    ("--image-control-canny", "", {"control_canny": True}),
    ("--image-max-width", "256", {"width": 256}),
    ("--image-max-height", "256", {"height": 256}),
]


@pytest.mark.parametrize(("flag", "word", "changed"), REQUESTED, ids=[row[0] for row in REQUESTED])
def test_options_of_requests(flag: str, word: str, changed: dict[str, Any]) -> None:
    words = [flag, word] if word else [flag]
    assert _changes(generation(_json({})), generation(_json({}), words)) == changed


def test_more_images_than_allowed_are_refused() -> None:
    assert generation(_json({"n": 5}), ["--image-max-batch", "5"])["n"] == 5
    with pytest.raises(InvalidArgumentError):
        generation(_json({"n": 5}))


_FILES = ("clip-l", "clip-g", "t5xxl", "llm", "vae", "taesd", "control-net", "upscale")


@pytest.mark.parametrize("part", _FILES, ids=[f"--image-{part}-model" for part in _FILES])
def test_options_of_files(part: str) -> None:
    given = image_files(parse(["-m", "m.gguf", f"--image-{part}-model", "x.gguf"]).config)
    name = {"upscale": "upscaler"}.get(part, part.replace("-", "_"))
    assert {key: path for key, path in given.items() if path} == {"model": "m.gguf", name: "x.gguf"}


# An option, and what the core is told of it.
PLACED: list[tuple[str, str, dict[str, Any]]] = [
    ("--image-no-text-encoder-model-offload", "", {"text_encoder_on_host": True}),
    ("--image-no-vae-model-offload", "", {"vae_on_host": True}),
    ("--image-no-control-net-model-offload", "", {"control_net_on_host": True}),
    ("--tensor-split", "0,1", {"tensor_split": [0, 1]}),
    ("--device", "GPU1", {"devices": ["GPU1"]}),
    ("-ngl", "0", {"use_gpus": False}),
]


@pytest.mark.parametrize(("flag", "word", "changed"), PLACED, ids=[row[0] for row in PLACED])
def test_options_of_devices(flag: str, word: str, changed: dict[str, Any]) -> None:
    words = [flag, word] if word else [flag]
    before, after = image_placement(parse([]).config), image_placement(parse(words).config)
    assert _changes(before, after) == changed


COMPUTED: list[tuple[str, str, dict[str, Any]]] = [
    ("--image-vae-tiling", "", {"vae_tiling": True}),
    ("--image-upscale-repeats", "2", {"upscale_repeats": 2}),
    ("--no-warmup", "", {"warmup": False}),
    ("--no-mmap", "", {"use_mmap": False}),
    ("-t", "2", {"n_threads": 2}),
    ("-fa", "", {"flash_attn": True}),
]


@pytest.mark.parametrize(("flag", "word", "changed"), COMPUTED, ids=[row[0] for row in COMPUTED])
def test_options_of_computing(flag: str, word: str, changed: dict[str, Any]) -> None:
    words = [flag, word] if word else [flag]
    before, after = image_compute(parse([]).config), image_compute(parse(words).config)
    assert _changes(before, after) == changed


def test_tiling_can_be_taken_back() -> None:
    words = ["--image-vae-tiling", "--image-no-vae-tiling"]
    assert not image_compute(parse(words).config)["vae_tiling"]


def test_help_says_that_memory_is_freed_anyway() -> None:
    command = [sys.executable, "-m", "llamabox", "--help=free-compute"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Without effect" in shown
