"""Sounds written down, on the fake model: the form, the answers, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from api_harness import LiveServer, Reply
from conftest import CONFIG
from fake_core import core, fake_engine

N_ROWS = 6
BOUNDARY = "cut-here"
PATH = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def hearing() -> Iterator[LiveServer]:
    # An answer without an end would fill the context.
    media = core.FakeMediaParams(is_there=True, n_rows=N_ROWS)
    live = LiveServer(fake_engine(n_ctx=256, n_cells=1024, media=media), CONFIG)
    yield live
    live.close()


def sent(server: LiveServer, file: bytes | None = b"RIFFsound", **fields: str) -> Reply:
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    if file is not None:
        parts.append(('name="file"; filename="a.wav"', file))
    body = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n"
        % (BOUNDARY.encode(), head.encode(), value)
        for head, value in parts
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return server.call("POST", PATH, body + b"--%b--\r\n" % BOUNDARY.encode(), **kind)


def test_the_text_comes_as_json(hearing: LiveServer) -> None:
    reply = sent(hearing, model="any")
    assert reply.status == 200, reply.body
    body = reply.json()
    assert set(body) == {"text", "usage"}
    assert body["text"]
    assert body["usage"]["input_token_details"]["audio_tokens"] == N_ROWS
    assert body["usage"]["total_tokens"] == (
        body["usage"]["input_tokens"] + body["usage"]["output_tokens"]
    )


def test_the_text_comes_plain(hearing: LiveServer) -> None:
    reply = sent(hearing, response_format="text")
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert reply.body.decode().strip() == sent(hearing).json()["text"]


def test_the_verbose_answer_invents_nothing(hearing: LiveServer) -> None:
    body = sent(hearing, response_format="verbose_json").json()
    assert body["duration"] == 0.5
    assert body["language"] is None
    assert "segments" not in body
    assert "words" not in body


def test_language_and_prompt_are_part_of_the_instruction(hearing: LiveServer) -> None:
    def n_input(**fields: str) -> int:
        return int(sent(hearing, **fields).json()["usage"]["input_tokens"])

    plain = n_input()
    assert n_input(language="en") == plain + len(" The language is en.")
    assert n_input(prompt="Names: Ann.") == plain + len(" Names: Ann.")


def test_the_openai_client_transcribes(hearing: LiveServer) -> None:
    with openai.OpenAI(base_url=f"{hearing.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.audio.transcriptions.create(model="fake", file=("a.wav", b"RIFFsound"))
    assert answer.text == sent(hearing).json()["text"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"file": None}, "file"),
        ({"file": b""}, "file"),
        ({"response_format": "srt"}, "response_format"),
        ({"response_format": "vtt"}, "response_format"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities[]"),
        ({"stream": "true"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": "3"}, "temperature"),
        ({"chunking_strategy": "auto"}, "chunking_strategy"),
        ({"prompt": "x" * 70_000}, "prompt"),
    ],
)
def test_a_form_that_cannot_be_answered_is_refused_by_name(
    hearing: LiveServer, fields: dict[str, Any], param: str
) -> None:
    reply = sent(hearing, **fields)
    assert reply.status == 400
    assert reply.error["param"] == param


def test_what_is_no_form_is_refused(hearing: LiveServer) -> None:
    assert hearing.post(PATH, {"file": "x"}).status == 415


def test_a_model_that_hears_nothing_says_so(server: LiveServer) -> None:
    reply = sent(server)
    assert reply.status == 400
    assert reply.error["type"] == "not_supported_error"
    assert reply.error["param"] == "file"
