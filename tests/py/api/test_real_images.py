"""Images of stable-diffusion.cpp: a whole tiny model of a real family, made by the project."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_harness import LiveServer, Reply
from fake_core import ROOT
from llamabox.config import ServerConfig
from llamabox.errors import LoadFailedError
from llamabox.image_engine import ImageEngine
from llamabox.image_names import SAMPLERS, SCHEDULES
from real_core import provide_core

pytestmark = pytest.mark.image_build

sys.path.append(str(ROOT / "tests" / "models"))

PATH = "/v1/images/generations"
EDITS = "/v1/images/edits"
SIDE = 256
BLUE = (20, 40, 210)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from make_image_model import make_image_model

    return make_image_model(tmp_path_factory.mktemp("image-model"))


def config_of(files: dict[str, Path], **fields: Any) -> ServerConfig:
    wanted = {
        "images__enabled": True,
        "model__alias": "tiny",
        "model__path": str(files["model"]),
        "images__llm_model": str(files["llm"]),
        "images__taesd_model": str(files["taesd"]),
        "engine__n_threads": 1,
        "model__warmup": False,
    }
    return ServerConfig().replace(**{**wanted, **fields})


def engine_of(config: ServerConfig) -> ImageEngine:
    provide_core()
    from llamabox.image_loader import load_image_engine
    from llamabox.model_loader import prepare_core

    prepare_core(config, os.open(os.devnull, os.O_WRONLY))
    return load_image_engine(config)


@pytest.fixture(scope="module")
def server(files: dict[str, Path]) -> Iterator[LiveServer]:
    config = config_of(files, adapters__loras=((str(files["lora"]), 0.0),))
    live = LiveServer(engine_of(config), config)
    yield live
    live.close()


def wanted(**fields: Any) -> dict[str, Any]:
    size = f"{SIDE}x{SIDE}"
    steps = {"sampling_steps": 2, "sampler": "euler", "cfg_scale": 1}
    return {"prompt": "red", "size": size, "seed": 7, **steps, **fields}


def pixels(data: str) -> bytes:
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").tobytes()


def told_by(server: LiveServer, **fields: Any) -> list[dict[str, Any]]:
    """The items of a stream; a slow machine gets comments between them."""
    blocks = server.post(PATH, wanted(stream=True, **fields)).body.decode().split("\n\n")
    events = [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]
    assert events.pop() == "[DONE]"
    return [json.loads(event)["data"][0] for event in events]


def images(server: LiveServer, **fields: Any) -> list[bytes]:
    reply = server.post(PATH, wanted(**fields))
    assert reply.status == 200, reply.body
    return [pixels(item["b64_json"]) for item in reply.json()["data"]]


def edit(server: LiveServer, files: dict[str, bytes], **fields: Any) -> bytes:
    head = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    texts = {key: str(value).encode() for key, value in wanted(**fields).items()}
    body = b"".join(head % (name.encode(), data) for name, data in {**texts, **files}.items())
    kind = {"Content-Type": "multipart/form-data; boundary=B"}
    reply: Reply = server.call("POST", EDITS, body + b"--B--\r\n", **kind)
    assert reply.status == 200, reply.body
    return pixels(reply.json()["data"][0]["b64_json"])


def png(color: Any, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (SIDE, SIDE), color).save(out, "PNG")
    return out.getvalue()


def color_at(data: bytes, x: int, y: int) -> tuple[int, ...]:
    at = 3 * (y * SIDE + x)
    return tuple(data[at : at + 3])


def is_near(found: tuple[int, ...], color: tuple[int, ...], within: int = 8) -> bool:
    return all(abs(a - b) <= within for a, b in zip(found, color, strict=True))


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


def test_more_steps_and_guidance_change_the_image(server: LiveServer) -> None:
    (plain,) = images(server)
    assert images(server, sampling_steps=3) != [plain]
    (guided,) = images(server, cfg_scale=4)
    assert guided != plain
    assert images(server, cfg_scale=4, negative_prompt="green trees") != [guided]


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
    kept = edit(server, {"image": png(BLUE)}, strength=0.05, sampling_steps=20)
    means = tuple(sum(kept[channel::3]) // SIDE**2 for channel in range(3))
    assert is_near(means, BLUE, within=32)
    assert edit(server, {"image": png(BLUE)}, strength=1) != kept


def test_an_edit_keeps_what_is_black_in_the_mask(server: LiveServer) -> None:
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (SIDE // 2, 0, SIDE, SIDE))
    out = io.BytesIO()
    mask.save(out, "PNG")
    files = {"image": png(BLUE), "mask": out.getvalue()}
    made = edit(server, files, strength=1, sampling_steps=4)
    left = [color_at(made, x, y) for x in (8, 60, 100) for y in (8, 128, 248)]
    right = [color_at(made, x, y) for x in (150, 200, 248) for y in (8, 128, 248)]
    assert all(is_near(color, BLUE) for color in left)
    assert not all(is_near(color, BLUE) for color in right)


def test_adapters_count_while_they_are_asked_for(server: LiveServer) -> None:
    (plain,) = images(server)
    (changed,) = images(server, lora=[{"id": 0, "scale": 1}])
    assert changed != plain
    for _ in range(5):
        assert images(server, lora=[{"id": 0, "scale": 1}]) == [changed]
    assert images(server) == [plain]


def test_a_cancelled_image_leaves_the_next_as_it_was(server: LiveServer) -> None:
    (plain,) = images(server)
    n_images = server.on_loop(server.engine.stats).n_images
    for stream in (True, False):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", PATH, json.dumps(wanted(stream=stream, n=4, sampling_steps=150)))
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
        (item,) = live.post(PATH, wanted()).json()["data"]
        meta = live.get("/v1/models").json()["data"][0]["meta"]
    finally:
        live.close()
    picture = Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))
    assert picture.size == (2 * SIDE, 2 * SIDE)
    assert meta["upscale_factor"] == 2
    assert picture.getpixel((20, 20)) == picture.getpixel((21, 21))


@pytest.mark.full
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_and_schedule_gives_a_picture_or_a_400(
    server: LiveServer, sampler: str
) -> None:
    for schedule in SCHEDULES:
        for steps in (1, 2, 4):
            fields = wanted(sampler=sampler, schedule=schedule, sampling_steps=steps)
            reply = server.post(PATH, fields)
            if reply.status == 400:
                assert reply.error["param"] == "schedule"
                continue
            made = pixels(reply.json()["data"][0]["b64_json"])
            assert len(set(made)) > 8, (schedule, steps)


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
