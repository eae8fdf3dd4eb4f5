"""The real command in processes of its own: supervisor, worker, demo model."""

from __future__ import annotations

import asyncio
import atexit
import json
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import psutil

TIMEOUT_S = 120
HOST = "localhost"


class Box:
    """`llama-box ARGS` on a port of the system's choice, ready when the constructor returns."""

    def __init__(self, *args: str) -> None:
        self._start([sys.executable, "-m", "llamabox", "--port", "0", *args])
        self.port = int(self.wait_for(r"msg=listening .*port=(\d+)"))
        self.wait_for(r"msg=(ready)")

    def _start(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)  # a test that fails may not come to stop it
        self.log: list[str] = []
        self._unseen: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read_log, daemon=True)
        self._reading.start()

    def _read_log(self) -> None:
        """A pipe that nobody empties would hold the server up after some hundred lines."""
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.log.append(line)
                self._unseen.put(line)
        self._unseen.put("")

    def wait_for(self, pattern: str) -> str:
        """Read the log on, up to a line that matches; returns the match's group."""
        while line := self._unseen.get(timeout=TIMEOUT_S):
            if found := re.search(pattern, line):
                return found.group(1)
        raise AssertionError(f"ended without {pattern}: {''.join(self.log)}")

    @property
    def worker(self) -> psutil.Process:
        """The process that serves."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Until it has ended and its log is read; returns the exit code."""
        code = self.process.wait(TIMEOUT_S)
        self._reading.join(TIMEOUT_S)
        return code

    async def chat(self, text: str, *, leave_after: int | None = None, **fields: Any) -> bytes:
        """What a streaming client reads until the end, or until it leaves after so many bytes."""
        message = {"role": "user", "content": text}
        body = json.dumps({"messages": [message], "stream": True, "temperature": 0, **fields})
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
            wanted = -1 if leave_after is None else leave_after
            return await asyncio.wait_for(reader.read(wanted), TIMEOUT_S)
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()

    async def get(self, path: str) -> bytes:
        """The whole answer to a GET."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), TIMEOUT_S)
        writer.close()
        return answer

    async def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        page = (await self.get("/metrics")).decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
        assert found, page
        return float(found.group(1))
