"""A server of images: refusals, its model and adapters, failures, clients that leave, metrics."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import LiveServer
from image_harness import (
    EDITS,
    PATH,
    Start,
    image_servers,
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


REFUSED = [
    ({"prompt": None}, "prompt"),
    ({"prompt": 1}, "prompt"),
    ({"prompt": "x" * 40000}, "prompt"),
    ({"n": 0}, "n"),
    ({"n": 5}, "n"),
    ({"n": "1"}, "n"),
    ({"size": "256"}, "size"),
    ({"size": "250x256"}, "size"),
    ({"size": "192x256"}, "size"),
    ({"size": "256x1088"}, "size"),
    ({"size": "99999x99999"}, "size"),
    ({"quality": "best"}, "quality"),
    ({"style": "bold"}, "style"),
    ({"response_format": "url"}, "response_format"),
    ({"output_format": "gif"}, "output_format"),
    ({"output_compression": 101}, "output_compression"),
    ({"seed": 1.5}, "seed"),
    ({"seed": -2}, "seed"),
    ({"sampler": "eule"}, "sampler"),
    ({"sampling_steps": 0}, "sampling_steps"),
    ({"sample_steps": 151}, "sample_steps"),
    ({"schedule": "none"}, "schedule"),
    ({"schedule": "gits", "sampling_steps": 1}, "schedule"),
    ({"guidance": -1}, "guidance"),
    ({"cfg_scale": 101}, "cfg_scale"),
    ({"negative_prompt": []}, "negative_prompt"),
    ({"slg_scale": 1}, "slg_scale"),
    ({"slg_start": 2}, "slg_start"),
    ({"slg_skip_layers": [-1]}, "slg_skip_layers[0]"),
    ({"lora": [{"id": 2, "scale": 1}]}, "lora"),
    ({"stream": 1}, "stream"),
    ({"stream_options": {"chunk_size": 0}}, "stream_options.chunk_size"),
    ({"stream_options": {"preview": 1}}, "stream_options.preview"),
    ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_name_the_field(
    images: LiveServer, fields: dict[str, Any], param: str, stream: bool
) -> None:
    reply = images.post(PATH, {**wanted(stream=stream), **fields})
    assert reply.status == 400
    assert reply.error["param"] == param
    kind = "not_supported_error" if param == "slg_scale" else "invalid_request_error"
    assert reply.error["type"] == kind


def test_routes_of_text_models_are_not_there(images: LiveServer) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/tokenize"):
        assert images.post(path, {}).status == 404
    assert set(images.get("/openapi.json").json()["paths"]) >= {PATH, EDITS}
    assert images.get("/health").json() == {"status": "ok"}


def test_the_description_has_the_fields_of_forms(images: LiveServer) -> None:
    operation = images.get("/openapi.json").json()["paths"][EDITS]["post"]
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["prompt", "image"]
    assert schema["properties"]["image"]["items"] == {"type": "string", "format": "binary"}
    assert schema["properties"]["strength"]["anyOf"][0]["maximum"] == 1


def test_the_model_says_what_it_does_by_default(start: Start) -> None:
    server = start({"images__max_height": 768, "images__max_batch": 2}, family="sd2-inpaint")
    (model,) = server.get("/v1/models").json()["data"]
    meta = model["meta"]
    assert (meta["n_slot"], meta["seed"], meta["max_batch_count"]) == (4, -1, 2)
    assert (meta["max_height"], meta["max_width"]) == (768, 1024)
    assert (meta["default_height"], meta["default_width"]) == (512, 512)
    assert (meta["sample_method"], meta["sampling_steps"], meta["cfg_scale"]) == ("euler", 50, 9.0)
    assert (meta["strength"], meta["guidance"], meta["schedule_method"]) == (1.0, 3.5, "discrete")
    assert meta["slg_skip_layers"] == [7, 8, 9]


def test_adapters_count_as_they_are_set(start: Start) -> None:
    server = start(n_loras=2)
    listed = server.get("/lora-adapters").json()
    assert [(one["id"], one["scale"], one["init_scale"]) for one in listed] == [
        (0, 1, 1),
        (1, 1, 1),
    ]

    def first_byte(**fields: Any) -> int:
        (item,) = server.post(PATH, wanted(**fields)).json()["data"]
        return pixels(item["b64_json"])[0]

    # The fake model adds a hundred times the scales.
    assert first_byte() == (7 + 200) % 256
    assert first_byte(lora=[]) == 7
    assert first_byte(lora=[{"id": 1, "scale": 0.5}]) == 57
    assert server.post("/lora-adapters", [{"id": 0, "scale": 0.25}]).json() == {"success": True}
    assert first_byte() == 7 + 25
    assert [one["scale"] for one in server.get("/lora-adapters").json()] == [0.25, 0]
    assert server.post("/lora-adapters", [{"id": 2, "scale": 1}]).error["param"] == "lora"


def test_without_adapters_there_is_no_list(start: Start) -> None:
    assert start().get("/lora-adapters").status == 404


def test_a_failed_image_is_an_error(start: Start) -> None:
    server = start(fails_on="bad")
    reply = server.post(PATH, wanted(prompt="bad"))
    assert (reply.status, reply.error["type"]) == (500, "server_error")
    streamed = server.post(PATH, wanted(prompt="bad", stream=True)).body.decode()
    blocks = streamed.split("\n\n")
    assert '"progress":33.33' in blocks[0]
    assert blocks[1].startswith('error: {"error":{"code":500')
    assert server.post(PATH, wanted()).status == 200


def test_a_lost_device_ends_requests_and_health(start: Start) -> None:
    server = start(loses_on="far")
    assert server.get("/health").status == 200
    reply = server.post(PATH, wanted(prompt="far"))
    assert reply.status == 503
    assert reply.error["message"] == "the RPC server fake:1 was lost"
    streamed = start(loses_on="far").post(PATH, wanted(prompt="far", stream=True))
    assert b"the RPC server fake:1 was lost" in streamed.body
    assert b"[DONE]" not in streamed.body
    health = server.get("/health")
    assert health.status == 503
    assert b"RPC server" in health.body
    assert server.post(PATH, wanted()).status == 503


def test_a_client_that_leaves_frees_the_engine(start: Start) -> None:
    server = start(n_slots=1, step_us=2000)
    for stream in (True, False):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        body = json.dumps(wanted(stream=stream, n=4, sampling_steps=150))
        connection.request("POST", PATH, body)
        if stream:
            connection.getresponse().read(10)
        else:
            while not server.on_loop(server.engine.stats).n_slots_busy:
                pass
        connection.close()
        assert server.post(PATH, wanted()).status == 200
    assert server.on_loop(server.engine.stats).n_images == 2


def test_the_metrics_count_steps(start: Start) -> None:
    server = start()
    server.post(PATH, wanted(n=2))
    page = server.get("/metrics").body.decode()
    assert "llamabox:image_forward_total 2.0" in page
    assert "llamabox:image_reverse_total 6.0" in page
    for name in ("forward_seconds_total", "forward_steps_per_second", "reverse_steps_per_second"):
        line = next(
            line for line in page.splitlines() if line.startswith(f"llamabox:image_{name} ")
        )
        assert float(line.split()[1]) > 0
    assert "llamabox:tokens_decode_total 0.0" in page
