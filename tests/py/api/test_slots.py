"""POST /slots/{id}: slots saved to files, restored and erased."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api_harness import LiveServer, Reply
from conftest import CONFIG
from fake_core import ROOT, fake_engine
from llamabox.slot_files import SlotFolder
from real_core import demo_config, demo_engine

TEXT = "Once upon a time there was a small cat"
MODELS = {"demo": "python/llamabox/models/demo.gguf"} | {
    name: f"tests/models/{name}.gguf" for name in ("swa", "gemma3", "mamba", "hybrid")
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A fake model whose text is made of all that its memory holds."""
    folder = SlotFolder(tmp_path, bytes(32))
    live = LiveServer(fake_engine(fixed_text="", slot_folder=folder), CONFIG)
    yield live
    live.close()
    folder.close()


def act(server: LiveServer, action: str, slot: int | str = 0, **body: Any) -> Reply:
    return server.post(f"/slots/{slot}?action={action}", body)


def complete(server: LiveServer, prompt: Any, n_predict: int = 12, **fields: Any) -> dict[str, Any]:
    body = {"prompt": prompt, "n_predict": n_predict, "temperature": 0, **fields}
    answer: dict[str, Any] = server.post("/completion", body).json()
    return answer


def held(server: LiveServer, slot: int) -> int:
    return int(server.get("/slots").json()[slot]["n_held_tokens"])


def test_a_slot_is_saved_erased_and_restored(server: LiveServer, tmp_path: Path) -> None:
    complete(server, TEXT, id_slot=2)
    n_held = held(server, 2)
    saved = act(server, "save", 2, filename="cat.bin").json()
    assert (saved["id_slot"], saved["filename"], saved["n_saved"]) == (2, "cat.bin", n_held)
    assert saved["n_written"] == (tmp_path / "cat.bin").stat().st_size
    assert saved["timings"]["save_ms"] > 0
    undisturbed = complete(server, TEXT + " that", id_slot=2)
    n_held_then = held(server, 2)
    assert act(server, "erase", 2).json() == {"id_slot": 2, "n_erased": n_held_then}
    assert held(server, 2) == 0
    assert act(server, "erase", 2).json()["n_erased"] == 0
    restored = act(server, "restore", 1, filename="cat.bin").json()
    assert (restored["id_slot"], restored["n_restored"]) == (1, n_held)
    assert restored["n_read"] == saved["n_written"]
    assert held(server, 1) == n_held
    again = complete(server, TEXT + " that", id_slot=1)
    assert again["content"] == undisturbed["content"]
    assert again["tokens_evaluated_cached"] == len(TEXT)


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/slots/0?action=save", {"filename": "x"}, 404, "id_slot"),
        ("/slots/9?action=save", {"filename": "x"}, 404, "id_slot"),
        ("/slots/x?action=save", {"filename": "x"}, 404, "id_slot"),
        ("/slots/-1?action=erase", {}, 404, "id_slot"),
        ("/slots/99999999999?action=erase", {}, 404, "id_slot"),
        ("/slots/0?action=restore", {"filename": "none"}, 404, "filename"),
        ("/slots/0?action=restore", {}, 400, "filename"),
        ("/slots/0?action=restore", {"filename": 5}, 400, "filename"),
        ("/slots/0?action=sing", {"filename": "x"}, 400, "action"),
        ("/slots/0?action=save&action=erase", {"filename": "x"}, 400, "action"),
        ("/slots/0", {"filename": "x"}, 400, "action"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    server: LiveServer, path: str, body: Any, status: int, param: str
) -> None:
    reply = server.post(path, body)
    assert (reply.status, reply.error["param"]) == (status, param)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "../x", "a/b", "/etc/passwd", "a\\b", "a\0b", "x" * 129, "ä", "a b"],
)
def test_names_cannot_leave_the_folder(server: LiveServer, tmp_path: Path, name: str) -> None:
    complete(server, TEXT, id_slot=0)
    for action in ("save", "restore"):
        reply = act(server, action, 0, filename=name)
        assert (reply.status, reply.error["param"]) == (400, "filename")
    assert not any(tmp_path.iterdir())


def test_damaged_files_are_refused_and_change_nothing(server: LiveServer, tmp_path: Path) -> None:
    complete(server, TEXT, id_slot=0)
    act(server, "save", 0, filename="good")
    complete(server, "something else", id_slot=0)
    before = complete(server, "something else to say", id_slot=0)
    good = (tmp_path / "good").read_bytes()
    draw = random.Random(3)
    for _ in range(60):
        at = draw.randrange(len(good))
        flipped = good[:at] + bytes([good[at] ^ 1 << draw.randrange(8)]) + good[at + 1 :]
        (tmp_path / "bad").write_bytes(draw.choice([flipped, good[:at], good + good[:at] + b"x"]))
        reply = act(server, "restore", 0, filename="bad")
        assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
    (tmp_path / "link").symlink_to(tmp_path / "good")
    assert act(server, "restore", 0, filename="link").status == 400
    after = complete(server, "something else to say", id_slot=0)
    assert after["content"] == before["content"]
    assert after["tokens_evaluated_cached"] == len("something else to say") - 1


def test_a_busy_slot_is_left_alone(tmp_path: Path) -> None:
    folder = SlotFolder(tmp_path, bytes(32))
    live = LiveServer(fake_engine(step_us=1000, slot_folder=folder), CONFIG)
    try:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(complete, live, "hi", 500, id_slot=0)
            while not live.get("/slots").json()[0]["is_processing"]:
                pass
            reply = act(live, "save", 0, filename="x")
            assert (reply.status, reply.error["type"]) == (503, "unavailable_error")
            assert "Retry-After" in reply.headers
            assert len(running.result()["content"]) == 500
    finally:
        live.close()


def test_without_the_flag_the_answer_names_it() -> None:
    live = LiveServer(fake_engine(), CONFIG)
    try:
        for action in ("save", "restore", "erase"):
            reply = act(live, action, 0, filename="x")
            assert (reply.status, reply.error["type"]) == (404, "not_found_error")
            assert "--slot-save-path" in reply.error["message"]
        assert live.get("/slots/0").status == 405
        assert live.get("/slots/0/1").status == 404
        page = live.get("/metrics").body.decode()
        assert 'route="/slots/{id}"' in page
    finally:
        live.close()


@pytest.mark.parametrize("name", MODELS)
def test_a_restored_server_continues_as_the_first_would(name: str, tmp_path: Path) -> None:
    config = demo_config(
        model__path=str(ROOT / MODELS[name]),
        context__slot_save_path=str(tmp_path),
        engine__n_ctx=512,
        engine__n_threads=1,
        threads__poll=0,
    )
    first = LiveServer(demo_engine(config), config)
    try:
        begun = complete(first, TEXT, 20, id_slot=1, return_tokens=True, ignore_eos=True)
        saved = act(first, "save", 1, filename=name).json()
        tokens = first.post("/tokenize", {"content": TEXT, "add_special": True}).json()["tokens"]
        prompt = tokens + begun["tokens"]
        undisturbed = complete(first, prompt, 20, id_slot=1, ignore_eos=True)
    finally:
        first.close()
    second = LiveServer(demo_engine(config), config)
    try:
        restored = act(second, "restore", 3, filename=name).json()
        assert restored["n_restored"] == saved["n_saved"] == len(prompt) - 1
        again = complete(second, prompt, 20, id_slot=3, ignore_eos=True)
        assert again["content"] == undisturbed["content"]
        assert again["tokens_evaluated_cached"] == len(prompt) - 1
    finally:
        second.close()
    other = config.replace(engine__type_k="f32", engine__type_v="f32")
    third = LiveServer(demo_engine(other), other)
    try:
        reply = act(third, "restore", 0, filename=name)
        assert reply.status == 400
        assert "another model or other options" in reply.error["message"]
    finally:
        third.close()
