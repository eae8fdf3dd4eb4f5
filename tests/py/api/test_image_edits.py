"""Images from pictures, on a model whose bytes are known: forms, masks, the openai client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from api_harness import LiveServer
from fake_core import fake_pixels
from image_harness import (
    EDITS,
    PATH,
    SIZE,
    Start,
    edit,
    image_servers,
    parameters,
    picture,
    pixels,
    png,
    wanted,
)


@pytest.fixture
def start() -> Iterator[Start]:
    yield from image_servers()


@pytest.fixture(scope="module")
def images() -> Iterator[LiveServer]:
    for start in image_servers():
        yield start()


def test_an_edit_starts_from_the_picture(images: LiveServer) -> None:
    fields = {**wanted(), "lora": []}
    (item,) = edit(images, fields, image=png((10, 10, 10))).json()["data"]
    assert pixels(item["b64_json"])[:200] == fake_pixels(17, 200)
    # White is painted anew: the fake model adds the mask.
    (item,) = edit(images, fields, image=png((10,) * 3), mask=png(3, "L")).json()["data"]
    assert pixels(item["b64_json"])[:200] == fake_pixels(20, 200)


def test_transparency_is_the_mask_where_there_is_none(images: LiveServer) -> None:
    fields = {**wanted(), "lora": []}
    (item,) = edit(images, fields, image=png((10, 10, 10, 250), "RGBA")).json()["data"]
    assert pixels(item["b64_json"])[:200] == fake_pixels(22, 200)


def test_a_model_that_follows_a_picture_has_no_use_for_a_mask(start: Start) -> None:
    follows = start(edits=True)
    fields = {**wanted(), "lora": []}
    (item,) = edit(follows, fields, image=png((10, 10, 10, 250), "RGBA")).json()["data"]
    assert pixels(item["b64_json"])[:200] == fake_pixels(17, 200)
    reply = edit(follows, fields, image=png((10,) * 3), mask=png(3, "L"))
    assert (reply.status, reply.error["param"]) == (400, "mask")
    reply = edit(follows, {**fields, "strength": 0.5}, image=png((10,) * 3))
    assert (reply.status, reply.error["param"]) == (400, "strength")
    assert reply.error["type"] == "not_supported_error"
    both = edit(start(edits=True, inpaints=True), fields, image=png((10,) * 3), mask=png(3, "L"))
    assert both.status == 200


def test_a_picture_is_stretched_to_the_size(images: LiveServer) -> None:
    fields = {**wanted(size="320x256"), "lora": []}
    (item,) = edit(images, fields, image=png((10, 10, 10), size=(31, 77))).json()["data"]
    assert picture(item["b64_json"]).size == (320, 256)
    assert pixels(item["b64_json"])[:200] == fake_pixels(17, 200)


def test_an_edit_streams_with_the_options_of_a_form(images: LiveServer) -> None:
    fields = {
        **wanted(n=2),
        "lora": [],
        "stream": True,
        "stream_options_include_usage": False,
        "stream_options_chunk_result": True,
        "stream_options_chunk_size": 3000,
        "stream_options_preview": True,
    }
    reply = edit(images, fields, image=png((10, 10, 10)))
    events = reply.events()
    assert all(event["usage"] is None for event in events)
    items = [event["data"][0] for event in events]
    assert all("b64_json" in item for item in items)
    last = "".join(i["b64_json"] for i in items if i["index"] == 1 and i["progressed_steps"] == 3)
    assert pixels(last)[:200] == fake_pixels(18, 200)


def test_a_form_takes_the_sampling_fields(images: LiveServer) -> None:
    fields = {
        "prompt": "a",
        "size": SIZE,
        "sampler": "heun",
        "sample_steps": 2,
        "schedule": "karras",
        "seed": "",
        "strength": 0.5,
        "cfg_scale": 2,
        "negative_prompt": "dogs",
        "control_canny": True,
    }
    (item,) = edit(images, fields, image=png(0, "L")).json()["data"]
    assert "dogs\nSteps: 2, Sampler: heun, Schedule type: karras" in parameters(item["b64_json"])


def test_a_control_image_needs_its_model(start: Start, images: LiveServer) -> None:
    reply = edit(images, wanted(), image=png(0, "L"), control=png(0, "L"))
    assert (reply.status, reply.error["param"]) == (400, "control")
    assert edit(
        start(has_control_net=True), wanted(), image=png(0, "L"), control=png(0, "L")
    ).json()


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ({}, {}, "image"),
        ({}, {"image": b"no picture"}, "image"),
        ({}, {"image": png(0), "mask": b""}, "mask"),
        ({"prompt": b"\xff"}, {"image": png(0)}, "prompt"),
        ({"n": "two"}, {"image": png(0)}, "n"),
        ({"strength": 1.5}, {"image": png(0)}, "strength"),
        ({"stream": "yes"}, {"image": png(0)}, "stream"),
        ({"lora": "[{]"}, {"image": png(0)}, "lora"),
        ({"stream_options_chunk_size": 0}, {"image": png(0)}, "stream_options_chunk_size"),
    ],
)
def test_forms_are_refused_by_the_field(
    images: LiveServer, fields: dict[str, Any], files: dict[str, bytes], param: str
) -> None:
    raw = {name: value for name, value in fields.items() if isinstance(value, bytes)}
    texts = {**wanted(), **fields}
    for name in raw:
        del texts[name]
    reply = edit(images, texts, **raw, **files)
    assert reply.status == 400
    assert reply.error["param"] == param


def test_several_pictures_are_for_models_that_follow_them(start: Start, images: LiveServer) -> None:
    two = {"image": png((10, 10, 10)), "image[]": png((3, 3, 3), size=(31, 77))}
    reply = edit(images, wanted(), **two)
    assert (reply.status, reply.error["param"]) == (400, "image")
    assert reply.error["type"] == "not_supported_error"
    assert edit(images, wanted(), **{"image[]": png(0)}).status == 200
    # The fake model adds all of them.
    (item,) = edit(start(edits=True), {**wanted(), "lora": []}, **two).json()["data"]
    assert pixels(item["b64_json"])[:200] == fake_pixels(20, 200)


def test_other_files_are_given_once(images: LiveServer) -> None:
    reply = edit(images, wanted(), image=png(0), mask=png(0, "L"), **{"mask[]": png(0, "L")})
    assert (reply.status, reply.error["param"]) == (400, "mask")


def test_a_body_of_another_kind_is_415(images: LiveServer) -> None:
    assert images.post(EDITS, {}).status == 415
    body = b"--B\r\n--B--"
    kind = {"Content-Type": "multipart/form-data; boundary=B"}
    assert images.call("POST", PATH, body, **kind).status == 415


def test_the_openai_client_generates_and_edits(images: LiveServer) -> None:
    with openai.OpenAI(base_url=f"{images.url}/v1", api_key="k") as client:
        extra = {"seed": 7, "sampling_steps": 2, "lora": []}
        made = client.images.generate(
            prompt="a", n=2, size=SIZE, response_format="b64_json", extra_body=extra
        )
        assert made.data is not None
        assert [pixels(str(one.b64_json))[:9] for one in made.data] == [
            fake_pixels(7, 9),
            fake_pixels(8, 9),
        ]
        edited = client.images.edit(
            prompt="a", image=png((10, 10, 10)), mask=png(3, "L"), size=SIZE, extra_body=extra
        )
        assert edited.data is not None
        assert pixels(str(edited.data[0].b64_json))[:9] == fake_pixels(20, 9)


def test_the_openai_client_sends_several_pictures(start: Start) -> None:
    with openai.OpenAI(base_url=f"{start(edits=True).url}/v1", api_key="k") as client:
        edited = client.images.edit(
            prompt="a",
            image=[png((10, 10, 10)), png((3, 3, 3))],
            size=SIZE,
            extra_body={"seed": 7, "sampling_steps": 2, "lora": []},
        )
    assert edited.data is not None
    assert pixels(str(edited.data[0].b64_json))[:9] == fake_pixels(20, 9)
