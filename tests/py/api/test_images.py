"""Images from prompts, on a model whose bytes are known: fields, events, parts, defaults."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import LiveServer
from fake_core import fake_pixels
from image_harness import (
    PATH,
    SIZE,
    Start,
    image_servers,
    parameters,
    picture,
    pixels,
    wanted,
)


@pytest.fixture
def start() -> Iterator[Start]:
    yield from image_servers()


@pytest.fixture(scope="module")
def images() -> Iterator[LiveServer]:
    for start in image_servers():
        yield start()


def test_images_are_the_models(images: LiveServer) -> None:
    reply = images.post(PATH, wanted(n=3))
    assert reply.status == 200
    body = reply.json()
    assert body["object"] == "list" and body["model"] == "fake" and body["created"] > 0
    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    for at, item in enumerate(body["data"]):
        assert (item["object"], item["progress"], item["finish_reason"]) == ("image", 100.0, "stop")
        assert pixels(item["b64_json"])[:999] == fake_pixels(7 + at, 999)
        assert f"Seed: {7 + at}, Size: 256x256" in parameters(item["b64_json"])
    assert set(body["usage"]) == {
        "time_to_process_ms",
        "time_per_generation_ms",
        "generation_per_second",
    }


def test_a_stream_tells_each_step_and_each_image_once(images: LiveServer) -> None:
    reply = images.post(PATH, wanted(n=2, stream=True))
    assert reply.headers["Content-Type"] == "text/event-stream"
    events = reply.events()
    items = [event["data"][0] for event in events]
    assert all(len(event["data"]) == 1 and event["object"] == "list" for event in events)
    assert all(item["object"] == "image.chunk" for item in items)
    told = [(i["index"], i["progressed_steps"], i["progress_steps"], i["progress"]) for i in items]
    once = [(1, 3, 33.33), (2, 3, 66.67), (3, 3, 100.0)]
    assert told == [(index, *step) for index in (0, 1) for step in once]
    final = [item for item in items if "b64_json" in item]
    assert [item["finish_reason"] for item in items] == [None, None, "stop"] * 2
    assert [item["index"] for item in final] == [0, 1]
    assert pixels(final[1]["b64_json"])[:99] == fake_pixels(8, 99)
    assert [event["usage"] is None for event in events] == [True] * 5 + [False]


def test_a_stream_is_the_answer_without_one(images: LiveServer) -> None:
    whole = [item["b64_json"] for item in images.post(PATH, wanted(n=2)).json()["data"]]
    events = images.post(PATH, wanted(n=2, stream=True)).events()
    streamed = [event["data"][0].get("b64_json") for event in events]
    assert [data for data in streamed if data] == whole


def test_usage_can_be_left_out(images: LiveServer) -> None:
    fields = wanted(stream=True, stream_options={"include_usage": False})
    assert all(event["usage"] is None for event in images.post(PATH, fields).events())


@pytest.mark.parametrize("size", [None, 1000, 10_000_000])
def test_parts_join_to_the_image(images: LiveServer, size: int | None) -> None:
    whole = images.post(PATH, wanted()).json()["data"][0]["b64_json"]
    options = {"chunk_result": True} | ({} if size is None else {"chunk_size": size})
    events = images.post(PATH, wanted(stream=True, stream_options=options)).events()
    parts = [item for event in events if "b64_json" in (item := event["data"][0])]
    assert "".join(part["b64_json"] for part in parts) == whole
    assert all(len(part["b64_json"]) == (size or 4096) for part in parts[:-1])
    assert {part["progressed_steps"] for part in parts} == {3}
    progress = [event["data"][0]["progress"] for event in events]
    assert progress == sorted(progress) and progress[-1] == 100.0
    assert [part["finish_reason"] for part in parts] == [None] * (len(parts) - 1) + ["stop"]


@pytest.mark.parametrize(
    "options", [{"preview": True}, {"preview_faster": True}, {"preview": "full"}]
)
def test_previews_come_with_the_steps(images: LiveServer, options: dict[str, Any]) -> None:
    events = images.post(PATH, wanted(stream=True, stream_options=options)).events()
    items = [event["data"][0] for event in events]
    assert all("b64_json" in item for item in items)
    assert [picture(item["b64_json"]).size for item in items] == [(32, 32)] * 2 + [(256, 256)]
    assert pixels(items[0]["b64_json"])[:9] == fake_pixels(8, 9)


def test_no_stream_no_preview(images: LiveServer) -> None:
    fields = wanted(stream=True, stream_options={"preview": False})
    items = [event["data"][0] for event in images.post(PATH, fields).events()]
    assert [("b64_json" in item) for item in items] == [False, False, True]


@pytest.mark.parametrize(
    ("kind", "magic"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8"), ("webp", b"RIFF")]
)
def test_formats(images: LiveServer, kind: str, magic: bytes) -> None:
    (item,) = images.post(PATH, wanted(output_format=kind)).json()["data"]
    assert base64.b64decode(item["b64_json"]).startswith(magic)


def test_compression_makes_smaller_files(images: LiveServer) -> None:
    sizes = [
        len(images.post(PATH, wanted(output_format="jpeg", output_compression=q)).body)
        for q in (5, 95)
    ]
    assert sizes[0] < sizes[1]


def test_a_random_seed_is_random_and_told(images: LiveServer) -> None:
    seeds = set()
    for seed in (None, -1):
        (item,) = images.post(PATH, wanted(seed=seed)).json()["data"]
        seeds.add(parameters(item["b64_json"]).partition("Seed: ")[2].partition(",")[0])
    assert len(seeds) == 2


def test_every_field_of_sampling_is_taken(images: LiveServer) -> None:
    fields = {
        "sample_method": "dpm++2m",
        "sampling_steps": 4,
        "schedule_method": "karras",
        "guidance": 2.5,
        "cfg_scale": 3.5,
        "negative_prompt": "dogs",
    }
    (item,) = images.post(PATH, wanted(**fields)).json()["data"]
    assert item["progress_steps"] == 4
    assert parameters(item["b64_json"]) == (
        "a cat\nNegative prompt: dogs\nSteps: 4, Sampler: dpm++2m, Schedule type: karras,"
        " CFG scale: 3.5, Guidance: 2.5, Seed: 7, Size: 256x256, Model: fake, RNG: cuda,"
        " Version: llamabox"
    )
    aliases = {"sampler": "heun", "sample_steps": 2, "schedule": "gits"}
    body = {"prompt": "a", "size": SIZE, **aliases}
    (item,) = images.post(PATH, body).json()["data"]
    assert "Steps: 2, Sampler: heun, Schedule type: gits" in parameters(item["b64_json"])


@pytest.mark.parametrize(
    ("family", "line", "steps"),
    [
        ("sd1", "Steps: 20, Sampler: euler_a, Schedule type: discrete, CFG scale: 9,", 20),
        ("sdxl", "Steps: 25, Sampler: euler, Schedule type: discrete, CFG scale: 5,", 25),
        ("flux-fill", "Steps: 50, Sampler: euler, Schedule type: discrete, CFG scale: 3.5,", 50),
        ("z-image", "Steps: 20, Sampler: euler_a, Schedule type: discrete, CFG scale: 4.5,", 20),
    ],
)
def test_defaults_are_the_familys(start: Start, family: str, line: str, steps: int) -> None:
    server = start(family=family)
    body = {"prompt": "a", "size": SIZE}
    (item,) = server.post(PATH, body).json()["data"]
    assert line in parameters(item["b64_json"])
    (item,) = server.post(PATH, {**body, "quality": "hd"}).json()["data"]
    assert item["progress_steps"] == steps + 2
    assert "Negative prompt: low quality\n" in parameters(item["b64_json"])


def test_the_command_line_is_above_the_family(start: Start) -> None:
    config = {
        "images__sampler": "lcm",
        "images__steps": 2,
        "images__cfg_scale": 1.0,
        "images__guidance": 4.0,
        "images__schedule": "simple",
        "sampling__seed": 11,
    }
    (item,) = start(config).post(PATH, {"prompt": "a", "size": SIZE}).json()["data"]
    assert (
        "Steps: 2, Sampler: lcm, Schedule type: simple, CFG scale: 1, Guidance: 4, Seed: 11,"
        in parameters(item["b64_json"])
    )


@pytest.mark.parametrize(("style", "avoided"), [("vivid", "not vivid"), ("natural", "unnatural")])
def test_style_is_what_to_avoid(images: LiveServer, style: str, avoided: str) -> None:
    (item,) = images.post(PATH, wanted(style=style, negative_prompt="x")).json()["data"]
    assert f"Negative prompt: x, {avoided}\n" in parameters(item["b64_json"])


def test_the_size_is_512_where_none_is_named(start: Start) -> None:
    server = start({"images__max_width": 320})
    (item,) = server.post(PATH, {"prompt": "a", "sample_steps": 1}).json()["data"]
    assert picture(item["b64_json"]).size == (320, 512)
