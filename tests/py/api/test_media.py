"""Pictures and sounds in conversations, on the fake model: what is taken, and what is refused."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from api_harness import LiveServer
from conftest import CONFIG, StartServer
from fake_core import core

N_ROWS = 6
MEDIA = {"media": core.FakeMediaParams(is_there=True, n_rows=N_ROWS)}


def picture(color: tuple[int, int, int] = (200, 0, 0), size: tuple[int, int] = (32, 16)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def image_part(url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64_of(data)


def audio_part(data: str, **more: Any) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, **more}}


def asked(*parts: Any, **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if type(part) is str else part for part in parts]
    message = {"role": "user", "content": content}
    return {"messages": [message], "max_tokens": 4, "temperature": 0, **fields}


@pytest.fixture(scope="module")
def seeing() -> Iterator[LiveServer]:
    from fake_core import fake_engine

    config = CONFIG.replace(media__allow_private=True)
    live = LiveServer(fake_engine(**MEDIA), config)
    yield live
    live.close()


class _Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/red.png")
            self.end_headers()
            return
        body = picture() if self.path == "/red.png" else b"no picture"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """A file server on loopback; yields its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def usage_of(server: LiveServer, body: dict[str, Any]) -> dict[str, Any]:
    reply = server.post("/v1/chat/completions", body)
    assert reply.status == 200, reply.body
    return dict(reply.json()["usage"])


def refused(server: LiveServer, body: dict[str, Any]) -> dict[str, Any]:
    reply = server.post("/v1/chat/completions", body)
    assert reply.status == 400, reply.body
    return reply.error


def test_pictures_are_taken_in_every_form(seeing: LiveServer, files: str) -> None:
    red = picture()
    forms = [
        image_part(data_url(red)),
        image_part(base64_of(red)),
        {"type": "image_url", "image_url": data_url(red)},
        image_part(f"{files}/red.png"),
        image_part(f"{files}/away"),
    ]
    for part in forms:
        usage = usage_of(seeing, asked("what?", part))
        assert usage["prompt_tokens_details"]["image_tokens"] == N_ROWS
        assert "audio_tokens" not in usage["prompt_tokens_details"]


def test_sounds_are_counted_as_such(seeing: LiveServer) -> None:
    for data in (base64_of(b"RIFF"), "data:audio/wav;base64," + base64_of(b"RIFF")):
        usage = usage_of(seeing, asked(audio_part(data, format="wav"), "what?"))
        assert usage["prompt_tokens_details"]["audio_tokens"] == N_ROWS


def test_parts_stand_where_they_were_sent(seeing: LiveServer) -> None:
    red = image_part(data_url(picture()))

    def rendered(*parts: Any) -> str:
        body = {"messages": asked(*parts)["messages"]}
        return str(seeing.post("/apply-template", body).json()["prompt"])

    # The fake shows nothing of a picture, so what is left is how texts are joined around it.
    assert "user:ab" in rendered("a", red, "b")
    assert "user:a\nb" in rendered("a", "b", red)
    n_text = usage_of(seeing, asked("a", "b"))["prompt_tokens"]
    assert usage_of(seeing, asked("a", red, "b", red))["prompt_tokens"] == n_text - 1 + 2 * N_ROWS


def test_a_picture_is_known_again_by_its_content(seeing: LiveServer) -> None:
    def cached(color: tuple[int, int, int]) -> int:
        body = asked(image_part(data_url(picture(color))), "what is this, please?")
        return int(usage_of(seeing, body)["prompt_tokens_details"]["cached_tokens"])

    cached((1, 2, 3))
    assert cached((1, 2, 3)) > N_ROWS
    assert cached((3, 2, 1)) < N_ROWS


def test_low_detail_and_the_largest_size_make_pictures_smaller(start_server: StartServer) -> None:
    """Seen by the content: a picture that was made smaller is the one that is as small."""
    small, large = picture(size=(512, 256)), picture(size=(1024, 512))

    def is_same(server: LiveServer, **more: Any) -> bool:
        usage_of(server, asked(image_part(data_url(small)), "what is this, please?"))
        body = asked(image_part(data_url(large), **more), "what is this, please?")
        usage = usage_of(server, body)
        return bool(usage["prompt_tokens_details"]["cached_tokens"] > N_ROWS)

    assert not is_same(start_server(**MEDIA), detail="high")
    assert is_same(start_server(**MEDIA), detail="low")
    limited = CONFIG.replace(media__max_image_size=518)
    assert not is_same(start_server(config=limited, **MEDIA), detail="high")
    limited = CONFIG.replace(media__max_image_size=512)
    assert is_same(start_server(config=limited, **MEDIA), detail="high")


def test_pixels_count_before_a_picture_is_made_smaller(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llamabox.api.media.MAX_REQUEST_PIXELS", 2 * 1024 * 1024)
    server = start_server(**MEDIA)
    parts = [image_part(data_url(picture(size=(1024, 1024))), detail="low") for _ in range(3)]
    usage_of(server, asked(*parts[:2]))
    reply = server.post("/v1/chat/completions", asked(*parts))
    assert (reply.status, reply.error["param"]) == (400, "messages[0].content[2].image_url.url")
    assert "one picture too many" in reply.error["message"]


def test_a_conversation_has_pictures_in_several_turns(seeing: LiveServer) -> None:
    first = asked(image_part(data_url(picture())), "what?")["messages"]
    second = asked("and", image_part(data_url(picture((0, 9, 0)))))["messages"]
    body = {"messages": [*first, {"role": "assistant", "content": "red"}, *second]}
    usage = usage_of(seeing, {**body, "max_tokens": 2})
    assert usage["prompt_tokens_details"]["image_tokens"] == 2 * N_ROWS


def test_marks_that_a_user_types_are_text(seeing: LiveServer) -> None:
    typed = "<__media__> <image> <|vision_start|>"
    usage = usage_of(seeing, asked(typed))
    assert "image_tokens" not in usage["prompt_tokens_details"]


@pytest.mark.parametrize(
    ("part", "path", "words"),
    [
        (image_part("data:image/png;base64,????"), "image_url.url", "not valid base64"),
        (image_part("data:image/png,abc"), "image_url.url", "without ';base64,'"),
        (image_part(base64_of(b"no picture")), "image_url.url", "no picture that can be decoded"),
        (image_part(base64_of(picture()[:45])), "image_url.url", "no picture that can be decoded"),
        (image_part(base64_of(picture(size=(6000, 10)))), "image_url.url", "which is no picture"),
        (image_part(""), "image_url.url", "no picture"),
        (image_part(7), "image_url.url", "must be a string"),
        (image_part("x", detail="most"), "image_url.detail", "must be one of"),
        (image_part("file:///etc/passwd"), "image_url.url", "no http or https URL"),
        ({"type": "image_url"}, "image_url", "must be an object"),
        (audio_part("!", format="wav"), "input_audio.data", "not valid base64"),
        (audio_part("QUJD", format="ogg"), "input_audio.format", "must be one of"),
        (audio_part("http://a.example/b.wav"), "input_audio.data", "not a URL"),
        ({"type": "input_audio", "input_audio": {}}, "input_audio.data", "must be a string"),
        ({"type": "video_url"}, "type", "must be 'text', 'image_url' or 'input_audio'"),
    ],
)
def test_a_part_that_cannot_be_used_is_named(
    seeing: LiveServer, part: Any, path: str, words: str
) -> None:
    error = refused(seeing, asked("what?", part))
    assert error["param"] == f"messages[0].content[1].{path}"
    assert words in error["message"]


def test_what_a_url_leads_to_is_judged(seeing: LiveServer, files: str) -> None:
    error = refused(seeing, asked(image_part(f"{files}/text")))
    assert "no picture that can be decoded" in error["message"]


def test_private_addresses_are_not_fetched_unless_allowed(
    start_server: StartServer, files: str
) -> None:
    error = refused(start_server(**MEDIA), asked(image_part(f"{files}/red.png")))
    assert "not public" in error["message"]
    assert error["param"] == "messages[0].content[0].image_url.url"


def test_only_allowed_hosts_are_fetched_from(start_server: StartServer, files: str) -> None:
    config = CONFIG.replace(media__allow_private=True, media__allowed_hosts=("a.example",))
    error = refused(start_server(config=config, **MEDIA), asked(image_part(f"{files}/red.png")))
    assert "does not fetch from" in error["message"]


def test_without_a_projector_media_is_refused(server: LiveServer) -> None:
    for part, what in ((image_part("x"), "images"), (audio_part("x"), "audio")):
        error = refused(server, asked("what?", part))
        assert error["type"] == "not_supported_error"
        assert "no projector (--mmproj)" in error["message"]
        assert what in error["message"]


def test_there_are_only_so_many_pictures(seeing: LiveServer) -> None:
    parts = [image_part(base64_of(picture()))] * 65
    assert "64 pictures and sounds" in refused(seeing, asked(*parts))["message"]


def test_all_pictures_of_a_request_have_only_so_many_pixels(seeing: LiveServer) -> None:
    out = BytesIO()
    Image.new("1", (6000, 6000)).save(out, "PNG")
    part = image_part(base64_of(out.getvalue()))
    assert "pixels" in refused(seeing, asked(part, part, part))["message"]


def test_the_server_says_what_it_takes(seeing: LiveServer, server: LiveServer) -> None:
    for live, takes in ((seeing, True), (server, False)):
        modalities = live.get("/props").json()["modalities"]
        assert modalities == {"vision": takes, "audio": takes}
        meta = live.get("/v1/models").json()["data"][0]["meta"]
        assert meta["support_vision"] is takes
        assert meta["support_audio"] is takes


def test_bodies_are_large_only_where_there_can_be_media(start_server: StartServer) -> None:
    body = b'{"messages": "%s"}' % (b"x" * 17 * 1024 * 1024)  # more than a text may have

    def refused_with(server: LiveServer) -> int:
        return server.call("POST", "/v1/chat/completions", body).status

    assert refused_with(start_server()) == 413
    config = CONFIG.replace(media__projector="fake.gguf")
    assert refused_with(start_server(config=config, **MEDIA)) == 400  # read, and no messages


def test_the_prompt_of_a_completion_has_no_parts(seeing: LiveServer) -> None:
    body = {"prompt": [{"type": "image_url", "image_url": {"url": "x"}}]}
    assert seeing.post("/v1/completions", body).status == 400


def test_encoded_and_kept_media_are_counted(start_server: StartServer) -> None:
    live = start_server(params={"n_media_cached": 4}, **MEDIA)
    for question in ("one", "two"):
        usage_of(live, asked(question, image_part(data_url(picture()))))
    page = live.get("/metrics").body.decode()
    assert "llamabox:media_encoded_total 1.0" in page or "llamabox:media_encoded 1.0" in page
    assert "llamabox:media_cached_total 1.0" in page or "llamabox:media_cached 1.0" in page
