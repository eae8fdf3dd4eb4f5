"""LoRA adapters on the demo model: listed, set, named by a request, and mixed with other sets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion
from conftest import StartServer
from fake_core import ROOT
from real_core import demo_config, demo_engine, serving

MODELS = ROOT / "tests" / "models"
A, B = [{"id": 0, "scale": 1.0}], [{"id": 1, "scale": 1.0}]
NONE: list[Any] = []
START = ((str(MODELS / "lora-a.gguf"), 0.5), (str(MODELS / "lora-b.gguf"), 1.0))


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving(demo_config(adapters__loras=START)) as live:
        yield live


@pytest.fixture(scope="module")
def plain() -> Iterator[LiveServer]:
    with serving(demo_config()) as live:
        yield live


def text_of(server: LiveServer, prompt: str, **fields: object) -> str:
    body = server.post("/v1/completions", completion(prompt, max_tokens=24, **fields)).json()
    return str(body["choices"][0]["text"])


def test_adapters_are_listed_with_their_scales(server: LiveServer, plain: LiveServer) -> None:
    assert server.get("/lora-adapters").json() == [
        {"id": at, "path": path, "scale": scale, "init_scale": scale}
        for at, (path, scale) in enumerate(START)
    ]
    for reply in (plain.get("/lora-adapters"), plain.post("/lora-adapters", A)):
        assert reply.status == 404
        assert reply.error["type"] == "not_found_error"
        assert "--lora" in reply.error["message"]


def test_each_set_has_its_own_text_and_none_is_the_model(
    server: LiveServer, plain: LiveServer
) -> None:
    prompt = "Tell me a story."
    without = text_of(plain, prompt)
    zero = [{"id": 0, "scale": 0}, {"id": 1, "scale": 0}]
    assert text_of(server, prompt, lora=NONE) == without
    assert text_of(server, prompt, lora=zero) == without
    by_default = text_of(server, prompt)
    both = [{"id": 1, "scale": 1}, {"id": 0, "scale": 0.5}]
    assert text_of(server, prompt, lora=both) == by_default
    texts = {without, by_default, text_of(server, prompt, lora=A), text_of(server, prompt, lora=B)}
    assert len(texts) == 4


def test_a_mix_of_sets_gives_everybody_what_they_get_alone(server: LiveServer) -> None:
    cases: list[tuple[str, dict[str, object]]] = [
        (prompt, fields)
        for prompt in ("hello", "What is 2 plus 3?")
        for fields in ({"lora": A}, {"lora": B}, {"lora": NONE}, {})
    ]
    alone = [text_of(server, prompt, **fields) for prompt, fields in cases]
    with ThreadPoolExecutor(len(cases)) as pool:
        mixed = pool.map(lambda case: text_of(server, case[0], **case[1]), cases)
    assert list(mixed) == alone


def test_the_default_can_be_set_and_a_request_still_names_its_own(server: LiveServer) -> None:
    before, a = text_of(server, "hello"), text_of(server, "hello", lora=A)
    assert server.post("/lora-adapters", A).json() == {"success": True}
    listed = server.get("/lora-adapters").json()
    assert [lora["scale"] for lora in listed] == [1.0, 0.0]
    assert [lora["init_scale"] for lora in listed] == [0.5, 1.0]
    assert text_of(server, "hello") == a
    server.post("/lora-adapters", [{"id": at, "scale": s} for at, (_, s) in enumerate(START)])
    assert text_of(server, "hello") == before


@pytest.mark.parametrize(
    ("lora", "param"),
    [
        ([{"id": 2, "scale": 1}], "lora"),
        ([*A, *A], "lora"),
        ({"id": 0}, "lora"),
        ([1], "lora[0]"),
        ([{"id": 0}], "lora[0].scale"),
        ([{"scale": 1}], "lora[0].id"),
        ([{"id": -1, "scale": 1}], "lora[0].id"),
        ([{"id": 0, "scale": "1"}], "lora[0].scale"),
        ([{"id": 0, "scale": 1001}], "lora[0].scale"),
        ([{"id": at, "scale": 1} for at in range(65)], "lora"),
    ],
)
def test_wrong_adapters_are_refused_by_name(server: LiveServer, lora: Any, param: str) -> None:
    replies = [
        server.post("/v1/completions", completion("x", lora=lora)),
        server.post("/v1/chat/completions", chat("x", lora=lora)),
    ]
    if isinstance(lora, list):
        replies.append(server.post("/lora-adapters", lora))
    for reply in replies:
        assert (reply.status, reply.error["param"]) == (400, param)
    assert server.post("/lora-adapters", {"id": 0}).status == 400


def test_init_without_apply_loads_but_leaves_the_model_as_it_is(plain: LiveServer) -> None:
    config = demo_config(adapters__loras=START, adapters__apply_loras=False)
    live = LiveServer(demo_engine(config), config)
    try:
        assert [one["init_scale"] for one in live.get("/lora-adapters").json()] == [0, 0]
        assert text_of(live, "hello") == text_of(plain, "hello")
        live.post("/lora-adapters", A)
        assert text_of(live, "hello") != text_of(plain, "hello")
    finally:
        live.close()


def test_fake_adapters_list_before_and_after(start_server: StartServer) -> None:
    loading = start_server(loading=True)
    assert loading.get("/lora-adapters").status == 503
    fake = start_server(n_loras=2)
    assert [one["init_scale"] for one in fake.get("/lora-adapters").json()] == [1, 2]
