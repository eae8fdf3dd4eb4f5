"""A whole server in this process: HTTP, application and engine on a loop in a thread."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llamabox.api.app import App
from llamabox.api.call import Settings
from llamabox.config import ServerConfig
from llamabox.engine import Engine
from llamabox.event_loop import new_event_loop
from llamabox.http.application import Application
from llamabox.http.bind import bind
from llamabox.http.limits import Limits
from llamabox.http.server import HttpServer
from llamabox.image_engine import ImageEngine
from llamabox.worker import server_options

STARTED_AT = 1_700_000_000
TIMEOUT_S = 60

# A tool that the demo model was trained to call.
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, after checking the form that every error has."""
        body = self.json()
        assert body["detail"] == body["error"]["message"]
        assert body["error"]["code"] == self.status
        assert set(body["error"]) == {"code", "message", "type", "param"}
        return dict(body["error"])

    def events(self) -> list[Any]:
        """The JSON of each server-sent event; the last one must be [DONE] and is left out."""
        blocks = [block for block in self.body.decode().split("\n\n") if block]
        assert blocks[-1] == "data: [DONE]"
        assert all(block.startswith("data: ") for block in blocks)
        return [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]


class LiveServer:
    """Serves until ``close``. Without an engine it is a server whose model still loads."""

    def __init__(
        self,
        engine: Engine | ImageEngine | None,
        config: ServerConfig,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.app = App(Settings(config, self.limits, STARTED_AT))
        self.engine = engine
        self._ready = threading.Event()
        self._socket = bind("127.0.0.1", 0)[0]
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="server")
        self._thread.start()
        assert self._ready.wait(TIMEOUT_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One request on a connection of its own; ``body`` is JSON unless it is bytes."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def post(self, path: str, body: Any) -> Reply:
        return self.call("POST", path, body)

    def on_loop(self, function: Any) -> Any:
        """Call a function on the server's loop and return what it returns."""

        async def called() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(TIMEOUT_S)

    def n_unsent(self) -> int:
        """Bytes written to all clients that the kernel has not taken; call it on the loop."""
        service = self._server._service
        assert service is not None
        return sum(connection._flow.unsent for connection in service.connections)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        log = logging.getLogger("test.http")
        options = server_options(self.app.settings.config, self.app)
        self._server = HttpServer(
            Application(self.app, self.app.answered), self.limits, log, options
        )
        await self._server.start([self._socket])
        if self.engine is not None:
            self.engine.start()
            self.app.engine = self.engine
        self._ready.set()
        await self._stop.wait()
        await self._server.shutdown(grace_s=0)
        if self.engine is not None:
            await self.engine.stop()
            assert self.engine.n_open == 0


def chat(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """A greedy chat request of 16 tokens."""
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": 16, "temperature": 0, **fields}


def completion(prompt: Any = "hi", **fields: Any) -> dict[str, Any]:
    """A greedy completion request of 16 tokens."""
    return {"prompt": prompt, "max_tokens": 16, "temperature": 0, **fields}


def deltas(events: list[Any], choice: int = 0) -> Iterator[dict[str, Any]]:
    """The choice objects of one choice, in order."""
    for event in events:
        for found in event["choices"]:
            if found["index"] == choice:
                yield found


_SAMPLE = re.compile(r"((?:llamabox:|process_|python_)[a-z_]+)((?:\{.*\})?) (\S+)")


def samples(server: LiveServer) -> dict[str, float]:
    """Every sample of the page; each line must be a comment or a sample."""
    reply = server.get("/metrics")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.body.endswith(b"\n")
    found = {}
    for line in reply.body.decode().splitlines():
        if not line.startswith("#"):
            match = _SAMPLE.fullmatch(line)
            assert match, line
            found[match[1] + match[2]] = float(match[3])
    return found
