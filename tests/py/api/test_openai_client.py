"""The real openai client against the server."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from api_harness import LiveServer
from conftest import StartServer
from fake_core import fake_text, rendered_length

N_PROMPT = rendered_length(("user", "hi"))
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="m", messages=MESSAGES, max_tokens=16, temperature=0, n=3
    )
    assert [choice.message.content for choice in answer.choices] == [fake_text(N_PROMPT, 16)] * 3
    assert {choice.finish_reason for choice in answer.choices} == {"length"}
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 48
    assert answer.usage.prompt_tokens_details is not None


def test_chat_stream(client: openai.OpenAI) -> None:
    texts = {0: "", 1: "", 2: ""}
    usage = None
    stream = client.chat.completions.create(
        model="m",
        messages=MESSAGES,
        max_tokens=16,
        temperature=0,
        n=3,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        usage = chunk.usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert set(texts.values()) == {fake_text(N_PROMPT, 16)}
    assert usage is not None
    assert usage.completion_tokens == 48


def test_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="m", prompt="hi", max_tokens=100, temperature=0, stop=["lazy"]
    )
    text = answer.choices[0].text
    assert text == fake_text(2, 100).partition("lazy")[0]
    assert answer.choices[0].finish_reason == "stop"
    parts = client.completions.create(
        model="m", prompt="hi", max_tokens=100, temperature=0, stop=["lazy"], stream=True
    )
    assert "".join(part.choices[0].text for part in parts) == text


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["fake"]


def test_errors(client: openai.OpenAI, start_server: StartServer) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="m", messages=MESSAGES, temperature=-1)
    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="2048"):
        client.completions.create(model="m", prompt="x" * 3000, stream=True)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="m", input="x")
    loading = start_server(loading=True)
    with (
        openai.OpenAI(base_url=f"{loading.url}/v1", api_key="none", max_retries=0) as other,
        pytest.raises(openai.InternalServerError, match="still being loaded"),
    ):
        other.chat.completions.create(model="m", messages=MESSAGES)
