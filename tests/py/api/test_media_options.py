"""The options of pictures and sounds on a real model with generated projectors."""

from __future__ import annotations

import base64
import http.server
import io
import math
import struct
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import openai
import pytest
from PIL import Image

from api_harness import LiveServer
from fake_core import ROOT
from llamabox.errors import LoadFailedError
from llamabox.models import DEMO_MODEL
from llamabox.option_parser import parse
from real_core import demo_engine
from real_core import serving as serve_config

MODEL = ("-m", str(DEMO_MODEL), "-c", "2048", "-np", "2", "-t", "1", "--poll", "0")
N_TOKENS = 12


def projector(name: str) -> tuple[str, str]:
    return ("--mmproj", str(ROOT / "tests/models" / f"mmproj-{name}.gguf"))


@contextmanager
def serving(*words: str) -> Iterator[LiveServer]:
    """A server of this process with the settings of a command line."""
    with serve_config(parse([*MODEL, *words]).config) as live:
        yield live


def picture(color: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> bytes:
    out = BytesIO()
    image = Image.new("RGB", size, color)
    image.paste((255, 255, 255), (0, 0, size[0] // 2, size[1] // 3))
    image.save(out, "PNG")
    return out.getvalue()


def tone(hertz: float, n_samples: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        values = (int(20000 * math.sin(2 * math.pi * hertz * i / 16000)) for i in range(n_samples))
        file.writeframes(b"".join(struct.pack("<h", value) for value in values))
    return out.getvalue()


def image_part(data: bytes) -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def audio_part(data: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"type": "input_audio", "input_audio": {"data": encoded, "format": "wav"}}


def asked(*parts: Any, **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if type(part) is str else part for part in parts]
    message = {"role": "user", "content": content}
    return {"messages": [message], "max_tokens": N_TOKENS, "temperature": 0, **fields}


def answer(server: LiveServer, *parts: Any, **fields: Any) -> tuple[str, dict[str, Any]]:
    reply = server.post("/v1/chat/completions", asked(*parts, ignore_eos=True, **fields))
    assert reply.status == 200, reply.body
    body = reply.json()
    return body["choices"][0]["message"]["content"], body["usage"]["prompt_tokens_details"]


def first_chance(server: LiveServer, part: Any) -> float:
    """How likely the answer's first token was: it depends on all that the model was given."""
    body = asked(part, "What?", logprobs=True)
    reply = server.post("/v1/chat/completions", body).json()
    return float(reply["choices"][0]["logprobs"]["content"][0]["logprob"])


def metric(server: LiveServer, name: str) -> float:
    lines = server.get("/metrics").body.decode().splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(f"llamabox:{name} ")]
    return float(value)


RED, BLUE = picture((230, 10, 20)), picture((10, 20, 230))


def test_a_projector_lets_the_model_see() -> None:
    with serving(*projector("mlp")) as live:
        assert live.get("/props").json()["modalities"] == {"vision": True, "audio": False}
        red, details = answer(live, "What colour?", image_part(RED))
        assert details["image_tokens"] == 36
        blue, _ = answer(live, "What colour?", image_part(BLUE))
        assert red != blue
        assert answer(live, "What colour?", image_part(RED))[0] == red
        reply = live.post("/v1/chat/completions", asked(audio_part(tone(400))))
        assert reply.status == 400
        assert "takes no audio" in reply.error["message"]


def test_a_projector_lets_the_model_hear() -> None:
    with serving(*projector("ultravox"), "--no-cache-prompt") as live:
        assert live.get("/props").json()["modalities"] == {"vision": False, "audio": True}
        assert answer(live, audio_part(tone(200)), "What?")[1]["audio_tokens"] == 30
        heard = [first_chance(live, audio_part(tone(hertz))) for hertz in (200, 3000, 200)]
        assert heard[0] == heard[2] != heard[1]
        broken = asked(audio_part(b"RIFF....WAVEnothing"))
        reply = live.post("/v1/chat/completions", broken)
        assert reply.status == 400
        assert reply.error["param"] == "messages[0].content[0].input_audio.data"


def test_the_openai_client_sends_pictures_and_streams() -> None:
    with serving(*projector("mlp")) as live:
        with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
            messages: Any = asked("What colour?", image_part(RED))["messages"]
            whole = client.chat.completions.create(
                model="demo", messages=messages, temperature=0, max_tokens=N_TOKENS
            )
            pieces = client.chat.completions.create(
                model="demo", messages=messages, temperature=0, max_tokens=N_TOKENS, stream=True
            )
            streamed = "".join(chunk.choices[0].delta.content or "" for chunk in pieces)
        assert streamed == whole.choices[0].message.content


@pytest.mark.parametrize("flag", ["--max-projected-cache", "--visual-max-image-cache"])
def test_encoded_media_is_kept(flag: str) -> None:
    with serving(*projector("mlp"), "--metrics", flag, "2") as live:
        first, _ = answer(live, "What colour?", image_part(RED))
        assert answer(live, "What colour?", image_part(RED))[0] == first
        assert metric(live, "media_encoded_total") == 1
        assert metric(live, "media_cached_total") == 1


def test_large_pictures_are_made_smaller() -> None:
    large = image_part(picture((230, 10, 20), (448, 448)))
    with serving(*projector("pixtral")) as live:
        n_plain = answer(live, large)[1]["image_tokens"]
    with serving(*projector("pixtral"), "--visual-max-image-size", "224") as live:
        assert answer(live, large)[1]["image_tokens"] < n_plain / 2


class _Picture(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(RED)))
        self.end_headers()
        self.wfile.write(RED)

    def log_message(self, *_: Any) -> None:
        pass


def test_urls_lead_where_they_may() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Picture)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/red.png"
    body = asked({"type": "image_url", "image_url": {"url": url}})

    def status(*words: str) -> int:
        with serving(*projector("mlp"), *words) as live:
            return live.post("/v1/chat/completions", body).status

    try:
        assert status() == 400
        assert status("--media-allow-private") == 200
        assert status("--media-allow-private", "--media-allowed-hosts", "a.example") == 400
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_projector_that_does_not_fit_ends_the_start() -> None:
    words = ["-m", str(ROOT / "tests/models/gemma3.gguf"), *projector("mlp"), "-t", "1"]
    with pytest.raises(LoadFailedError, match="mismatch"):
        demo_engine(parse(words).config)
    words = [*MODEL, "--mmproj", str(DEMO_MODEL)]
    with pytest.raises(LoadFailedError, match="no projector"):
        demo_engine(parse(words).config)
