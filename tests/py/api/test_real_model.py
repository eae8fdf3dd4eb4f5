"""The whole server on llama.cpp and the demo model, driven by the real openai client."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from api_harness import LiveServer, chat, completion, deltas
from llamabox.errors import LoadFailedError
from real_core import demo_config, demo_engine, serving

QUESTIONS = ["hello", "What is 2 plus 3?", "Tell me a story.", "Who are you?", "bye"]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving(demo_config(context__shift=False)) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def answer(server: LiveServer, question: str, **fields: object) -> str:
    """The model's greedy answer."""
    body = server.post("/v1/chat/completions", chat(question, max_tokens=64, **fields)).json()
    return str(body["choices"][0]["message"]["content"])


def test_the_openai_client_chats(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "hello"}]
    whole = client.chat.completions.create(
        model="demo", messages=messages, temperature=0, max_tokens=64, n=3
    )
    texts = {choice.message.content for choice in whole.choices}
    assert len(whole.choices) == 3
    assert len(texts) == 1
    text = texts.pop()
    assert text
    assert {choice.finish_reason for choice in whole.choices} == {"stop"}
    assert whole.usage is not None
    assert whole.usage.prompt_tokens > 0
    stream = client.chat.completions.create(
        model="demo", messages=messages, temperature=0, max_tokens=64, stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == text


def test_the_openai_client_completes(client: openai.OpenAI) -> None:
    whole = client.completions.create(
        model="demo", prompt=["Once upon", "The"], temperature=0, max_tokens=12
    )
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert whole.usage is not None
    assert whole.usage.completion_tokens <= 24
    text = whole.choices[0].text
    stop = text[len(text) // 2 :][:3]
    stopped = client.completions.create(
        model="demo", prompt="Once upon", temperature=0, max_tokens=12, stop=[stop]
    )
    assert stopped.choices[0].text == text[: text.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"
    parts = client.completions.create(
        model="demo", prompt="Once upon", temperature=0, max_tokens=12, stream=True
    )
    assert "".join(part.choices[0].text for part in parts) == text


def test_the_openai_client_gets_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="2048"):
        client.completions.create(model="demo", prompt="x " * 5000)
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="demo", prompt=[10**6])
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("question", QUESTIONS)
def test_streamed_is_not_streamed(server: LiveServer, question: str) -> None:
    asked = chat(question, max_tokens=64, stream=True)
    events = server.post("/v1/chat/completions", asked).events()
    text = "".join(part["delta"].get("content", "") for part in deltas(events))
    assert text == answer(server, question)


def test_batched_is_alone(server: LiveServer) -> None:
    alone = [answer(server, question) for question in QUESTIONS]
    with ThreadPoolExecutor(16) as pool:
        batched = list(pool.map(lambda at: answer(server, QUESTIONS[at % 5]), range(40)))
    assert batched == alone * 8


def test_a_seed_decides_what_is_sampled() -> None:
    # One slot whose KV holds the prompt already: ggml rounds differently for one row than for
    # several, which a text sampled at this temperature would show.
    config = demo_config(engine__n_slots=1)
    server = LiveServer(demo_engine(config), config)
    asked = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0}
    try:
        answer(server, "Tell me a story.")
        first = answer(server, "Tell me a story.", seed=1, **asked)
        assert answer(server, "Tell me a story.", seed=1, **asked) == first
        assert answer(server, "Tell me a story.", seed=2, **asked) != first
    finally:
        server.close()


def test_tokens_are_a_prompt(server: LiveServer) -> None:
    tokens = server.post("/tokenize", {"content": "Once upon", "add_special": True}).json()
    assert server.post("/detokenize", tokens).json()["content"] == "Once upon"
    by_tokens = server.post("/v1/completions", completion(tokens["tokens"])).json()
    by_text = server.post("/v1/completions", completion("Once upon")).json()
    assert by_tokens["choices"] == by_text["choices"]


def test_a_prompt_said_twice_is_taken_from_kv(server: LiveServer) -> None:
    answer(server, "Tell me a story.")
    body = server.post("/v1/chat/completions", chat("Tell me a story.")).json()
    usage = body["usage"]
    assert 0 < usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]


def test_meta_tells_the_truth(server: LiveServer) -> None:
    meta = server.get("/v1/models").json()["data"][0]["meta"]
    assert (meta["n_ctx"], meta["n_slot"], meta["n_slot_ctx"]) == (2048, 4, 2048)
    assert meta["n_params"] > 0
    assert meta["vocab_type"] == "bpe"


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGML" * 100)
    for path in (tmp_path / "missing.gguf", wrong, tmp_path):
        with pytest.raises(LoadFailedError) as caught:
            demo_engine(demo_config(model__path=str(path)))
        assert "\n" not in caught.value.message
