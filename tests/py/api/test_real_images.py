"""Images of stable-diffusion.cpp: a whole tiny model of a real family, made by the project."""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_harness import LiveServer, Reply
from llamabox.errors import LoadFailedError
from real_images import (
    BLUE,
    EDIT,
    GENERATE,
    RED,
    SIDE,
    as_png,
    color_at,
    config_of,
    engine_of,
    form,
    is_near,
    make_files,
    mean_color,
    pixels,
    png,
    right_half,
    wanted,
)

pytestmark = pytest.mark.image_build


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_files(tmp_path_factory.mktemp("image-model"))


@pytest.fixture(scope="module")
def server(files: dict[str, Path]) -> Iterator[LiveServer]:
    config = config_of(files)
    live = LiveServer(engine_of(config), config)
    yield live
    live.close()


def told_by(server: LiveServer, **fields: Any) -> list[dict[str, Any]]:
    """The items of a stream; a slow machine gets comments between them."""
    blocks = server.post(GENERATE, wanted(stream=True, **fields)).body.decode().split("\n\n")
    events = [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]
    assert events.pop() == "[DONE]"
    return [json.loads(event)["data"][0] for event in events]


def images(server: LiveServer, **fields: Any) -> list[bytes]:
    reply = server.post(GENERATE, wanted(**fields))
    assert reply.status == 200, reply.body
    return [pixels(item["b64_json"]) for item in reply.json()["data"]]


def edit(server: LiveServer, files: dict[str, bytes], **fields: Any) -> bytes:
    body, header = form(files, **fields)
    reply: Reply = server.call("POST", EDIT, body, **header)
    assert reply.status == 200, reply.body
    return pixels(reply.json()["data"][0]["b64_json"])


def test_the_family_is_found(server: LiveServer) -> None:
    meta = server.get("/v1/models").json()["data"][0]["meta"]
    assert meta["family"] == "ovis-image"
    assert meta["size"] > 10_000_000


def test_a_seed_gives_the_same_bytes_and_image_i_has_seed_plus_i(server: LiveServer) -> None:
    first, second = images(server, n=2)
    assert len(set(first)) > 16
    assert images(server) == [first]
    assert images(server, seed=8) == [second]
    assert first != second
    assert images(server, prompt="a blue house by the sea") != [first]


def test_each_step_is_told_also_when_tiles_are_decoded(files: dict[str, Path]) -> None:
    config = config_of(files, images__vae_tiling=True)
    live = LiveServer(engine_of(config), config)
    try:
        told = told_by(live, sampling_steps=5, size="512x512")
    finally:
        live.close()
    assert [item["progressed_steps"] for item in told] == [1, 2, 3, 4, 5]
    assert [item["progress"] for item in told] == [20.0, 40.0, 60.0, 80.0, 100.0]


@pytest.mark.parametrize(("preview", "side"), [(True, SIDE // 8), ("full", SIDE)])
def test_previews_are_pictures(server: LiveServer, preview: Any, side: int) -> None:
    told = told_by(server, sampling_steps=3, stream_options={"preview": preview})
    shown = [Image.open(io.BytesIO(base64.b64decode(item["b64_json"]))) for item in told]
    assert [picture.size for picture in shown] == [(side, side)] * 2 + [(SIDE, SIDE)]
    assert shown[0].tobytes() != shown[1].tobytes()
    assert pixels(told[-1]["b64_json"]) == images(server, sampling_steps=3)[0]


def test_an_edit_keeps_the_picture_where_it_is_to_change_little(server: LiveServer) -> None:
    kept = edit(server, {"image": png(BLUE)}, strength=0.01, sampling_steps=100)
    assert is_near(mean_color(kept), BLUE, within=32)


def test_an_edit_keeps_what_is_opaque(server: LiveServer) -> None:
    picture = Image.new("RGB", (SIDE, SIDE), BLUE)
    picture.putalpha(right_half().point(lambda value: 255 - value))
    made = edit(server, {"image": as_png(picture)}, strength=1, sampling_steps=6)
    left = [color_at(made, x, y) for x in (8, 60, 100) for y in (8, 128, 248)]
    right = [color_at(made, x, y) for x in (150, 200, 248) for y in (8, 128, 248)]
    assert all(is_near(color, BLUE) for color in left)
    assert all(is_near(color, RED, within=48) for color in right)


def test_a_cancelled_image_leaves_the_next_as_it_was(server: LiveServer) -> None:
    (plain,) = images(server)
    n_images = server.on_loop(server.engine.stats).n_images
    for stream in (True, False):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        fields = wanted(stream=stream, n=4, sampling_steps=150)
        connection.request("POST", GENERATE, json.dumps(fields))
        if stream:
            connection.getresponse().read(10)
        else:
            while not server.on_loop(server.engine.stats).n_slots_busy:
                pass
        connection.close()
        assert images(server) == [plain]
    assert server.on_loop(server.engine.stats).n_images == n_images + 2


def test_an_upscaler_repeats_each_pixel(files: dict[str, Path]) -> None:
    config = config_of(files, images__upscale_model=str(files["upscaler"]))
    live = LiveServer(engine_of(config), config)
    try:
        (item,) = live.post(GENERATE, wanted()).json()["data"]
        meta = live.get("/v1/models").json()["data"][0]["meta"]
    finally:
        live.close()
    picture = Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))
    assert picture.size == (2 * SIDE, 2 * SIDE)
    assert meta["upscale_factor"] == 2
    assert picture.getpixel((20, 20)) == picture.getpixel((21, 21))


def test_files_that_are_no_model_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(files["model"].read_bytes()[:5000])
    for field, path, words in (
        ("model__path", cut, "truncated"),
        ("model__path", files["llm"], "no image model"),
        ("images__taesd_model", cut, "truncated"),
        ("images__llm_model", tmp_path / "none.gguf", "no such file"),
    ):
        with pytest.raises(LoadFailedError, match=words):
            engine_of(config_of(files, **{field: str(path)}))
    with pytest.raises(LoadFailedError, match="needs --image-llm-model"):
        engine_of(config_of(files, images__llm_model=None))
