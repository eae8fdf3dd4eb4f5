"""The extension module by itself, on the fake model."""

from __future__ import annotations

import select
import threading
from array import array
from typing import Any

import pytest

from fake_core import core, core_engine, fake_text, generate
from llamabox import errors


def wait(engine: Any, request_id: int) -> list[Any]:
    """The events of a request up to its last one."""
    events = []
    while not events or events[-1].kind != "done":
        assert select.select([engine.wake_fd()], [], [], 60)[0]
        events += [event for event in engine.drain() if event.request == request_id]
    return events


@pytest.fixture
def engine() -> Any:
    engine = core_engine()
    engine.start()
    yield engine
    engine.stop()


def test_a_request_streams_its_text_and_ends_once(engine: Any) -> None:
    events = wait(engine, engine.submit(generate("hello", 40)))
    assert "".join(event.text for event in events) == fake_text(5, 40)
    assert [event.kind for event in events[-2:]] == ["finish", "done"]
    assert {event.kind for event in events[:-2]} == {"delta"}
    assert events[-2].finish == "length"
    assert events[-1].error is None
    usage = events[-1].usage
    assert (usage.n_prompt, usage.n_generated) == (5, 40)
    assert usage.ttft_ms > 0
    assert not select.select([engine.wake_fd()], [], [], 0)[0]


def test_choices_are_told_apart(engine: Any) -> None:
    events = wait(engine, engine.submit(generate("hello", 8, n=3)))
    for choice in range(3):
        own = [event for event in events if event.choice == choice and event.kind != "done"]
        assert "".join(event.text for event in own) == fake_text(5, 8)
        assert [event.kind for event in own].count("finish") == 1


def test_a_stop_string_ends_with_stop(engine: Any) -> None:
    events = wait(engine, engine.submit(generate("the ", 100, stop=["brown"])))
    assert "".join(event.text for event in events) == "quick "
    assert events[-2].finish == "stop"


def test_cut_characters_are_never_seen() -> None:
    engine = core_engine(fixed_text="añ€😀")
    engine.start()
    events = wait(engine, engine.submit(generate("a" * 10, 100)))
    engine.stop()
    assert "".join(event.text for event in events).startswith("añ€😀añ€😀")
    assert all("\ufffd" not in event.text for event in events[:-2])


def test_the_prompt_can_be_tokens_or_messages(engine: Any) -> None:
    sampling = core.SamplingParams(temperature=0)
    messages = [core.ChatMessage(role="user", content="hi")]
    for prompt, n_prompt in (
        (core.TokenPrompt(tokens=[104, 105]), 2),
        (core.ChatPrompt(messages=messages), len("user:hi\nassistant:")),
        (core.ChatPrompt(messages=messages, add_generation_prompt=False), len("user:hi\n")),
    ):
        body = core.GenerateRequest(prompt=prompt, sampling=sampling, max_tokens=9)
        events = wait(engine, engine.submit(core.Request(body=body)))
        assert "".join(event.text for event in events) == fake_text(n_prompt, 9)


def test_render_returns_the_prompt(engine: Any) -> None:
    prompt = core.ChatPrompt(messages=[core.ChatMessage(role="user", content="hi")])
    body = core.RenderRequest(prompt=prompt)
    result = wait(engine, engine.submit(core.Request(body=body)))[-1].result
    assert result.text == "user:hi\nassistant:"
    assert bytes(result.tokens).decode() == result.text


def test_side_calls_return_their_result(engine: Any) -> None:
    body = core.EncodeRequest(kind=core.EncodeKind.EMBED, inputs=[core.TextPrompt(text="abc")])
    result = wait(engine, engine.submit(core.Request(body=body)))[-1].result
    assert memoryview(result.values).cast("f").tolist() == [3.0, 99.0, 294.0, 0.0]
    assert (result.n_values, result.n_rows, result.n_tokens) == (4, [1], [3])


def test_cancel_ends_a_request_without_an_error() -> None:
    engine = core_engine(step_us=1000)
    engine.start()
    request_id = engine.submit(generate("hi", 2000))
    engine.cancel(request_id)
    events = wait(engine, request_id)
    engine.cancel(request_id)
    engine.cancel(2**63)
    engine.stop()
    assert events[-1].finish == "cancelled"
    assert events[-1].error is None


def test_a_thousand_requests_lose_nothing() -> None:
    engine = core_engine(n_slots=8, n_queue=1000)
    engine.start()
    ids = [engine.submit(generate("hi", 5)) for _ in range(1000)]
    texts = dict.fromkeys(ids, "")
    n_done = 0
    while n_done < len(ids):
        assert select.select([engine.wake_fd()], [], [], 60)[0]
        for event in engine.drain():
            texts[event.request] += event.text
            n_done += event.kind == "done"
    stats = engine.stats()
    engine.stop()
    assert set(texts.values()) == {fake_text(2, 5)}
    assert (stats.n_requests, stats.n_generated_tokens) == (1000, 5000)
    assert sum(stats.ttft_ms.counts) == 1000
    assert len(stats.ttft_ms.counts) == len(stats.ttft_ms.bounds) + 1


def test_stop_ends_every_request_and_lets_other_threads_run() -> None:
    engine = core_engine(n_slots=1, step_us=200_000)
    engine.start()
    ids = {engine.submit(generate("hi", 2000)) for _ in range(5)}
    assert select.select([engine.wake_fd()], [], [], 60)[0]  # the next step has begun
    turns = []
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    while stopping.is_alive():
        turns.append(engine.stats())
    stopping.join()
    ended = {event.request: event for event in engine.drain() if event.kind == "done"}
    assert set(ended) == ids
    assert all(isinstance(event.error, errors.UnavailableError) for event in ended.values())
    # With the GIL held through the join there would be at most one turn.
    assert len(turns) > 1


def test_a_running_engine_can_be_dropped() -> None:
    engine = core_engine(step_us=1000)
    engine.start()
    engine.submit(generate("hi", 2000))
    del engine


def test_models_belong_to_one_engine() -> None:
    models = core.load_models(core.FakeModelParams())
    core.Engine(models, core.EngineParams())
    with pytest.raises(ValueError, match="disowned"):
        core.Engine(models, core.EngineParams())


def test_tokenizing(engine: Any) -> None:
    tokens = engine.tokenize("hé<end>")
    assert tokens == [104, 195, 169, 256]
    assert engine.tokenize("<end>", parse_special=False) == list(b"<end>")
    assert engine.detokenize(tokens) == "hé"
    assert engine.detokenize(tokens, render_special=True) == "hé<end>"
    packed = memoryview(engine.tokenize_packed("hé<end>"))
    assert (packed.format, packed.readonly, packed.tolist()) == ("i", True, tokens)
    assert engine.detokenize_packed(packed.tobytes()) == "hé"
    assert len(memoryview(engine.tokenize_packed(""))) == 0 and engine.detokenize_packed(b"") == ""
    with pytest.raises(errors.InvalidArgumentError, match="not in the vocabulary"):
        engine.detokenize_packed(array("i", [-1]).tobytes())
    assert engine.pieces(tokens) == [b"h", b"\xc3", b"\xa9", b"<end>"]
    with pytest.raises(errors.InvalidArgumentError) as caught:
        engine.pieces([260])
    assert caught.value.param == "tokens"


def test_facts(engine: Any) -> None:
    assert engine.info.n_vocab == 260
    assert engine.n_ctx == 2048
    assert engine.stats().n_slots == 4
    assert engine.stats().healthy
