"""Requests generated from what each kind of server says of itself, and no slot taken at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from api_harness import LiveServer
from box_process import Box
from fake_core import ROOT, fake_image_engine
from generated_requests import Api, exercise
from image_harness import IMAGES
from llamabox.models import DEMO_MODEL
from real_core import demo_config, demo_engine


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    words = ("-m", str(DEMO_MODEL), "-c", "512", "-np", "2", "-t", "1", "--metrics")
    saved = ("--slot-save-path", str(tmp_path_factory.mktemp("slots")))
    box = Box(*words, "--embeddings", *saved, "--lora", f"{ROOT}/tests/models/lora-a.gguf")
    yield Api(box.port)
    assert box.stop() == 0, "".join(box.log[-20:])


@pytest.fixture(scope="module")
def ranker() -> Iterator[LiveServer]:
    path = f"{ROOT}/tests/models/ranker.gguf"
    config = demo_config(model__path=path, encoder__rerank=True, engine__n_threads=1)
    live = LiveServer(demo_engine(config), config)
    yield live
    live.close()


@pytest.fixture(scope="module")
def images() -> Iterator[LiveServer]:
    live = LiveServer(fake_image_engine(), IMAGES)
    yield live
    live.close()


def check_text(api: Api, n_requests: int, fixed: bool) -> None:
    exercise(api, n_requests, fixed)
    status, slots = api.call("GET", "/slots")
    assert status == 200
    assert [slot["state"] for slot in json.loads(slots)] == ["idle", "idle"]


def check_other(live: LiveServer, n_requests: int, fixed: bool) -> None:
    """A server without slots: no request is left open."""
    exercise(Api(live.port), n_requests, fixed)
    engine = live.engine
    assert engine is not None
    assert live.on_loop(lambda: engine.n_open) == 0


def test_generated_requests_are_answered(api: Api) -> None:
    check_text(api, 150, fixed=True)


def test_a_ranker_answers_generated_requests(ranker: LiveServer) -> None:
    check_other(ranker, 40, fixed=True)


def test_an_image_server_answers_generated_requests(images: LiveServer) -> None:
    check_other(images, 40, fixed=True)


# Pieces, each of which ends in some minutes on one CPU.
@pytest.mark.full
@pytest.mark.parametrize("piece", range(4))
def test_sixteen_hundred_generated_requests_are_answered(api: Api, piece: int) -> None:
    check_text(api, 400, fixed=False)


@pytest.mark.full
def test_a_ranker_answers_two_hundred(ranker: LiveServer) -> None:
    check_other(ranker, 200, fixed=False)


@pytest.mark.full
def test_an_image_server_answers_two_hundred(images: LiveServer) -> None:
    check_other(images, 200, fixed=False)
