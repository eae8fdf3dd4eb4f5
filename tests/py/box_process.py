"""The real command in processes of its own: supervisor, worker, demo model."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil

TIMEOUT_S = 120
HOST = "localhost"


class Box:
    """`llama-box ARGS` on a port of the system's choice, ready when the constructor returns."""

    def __init__(self, *args: str) -> None:
        command = [sys.executable, "-m", "llamabox", "--port", "0", *args]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.log: list[str] = []
        self.port = int(self.wait_for(r"msg=listening .*port=(\d+)"))
        self.wait_for(r"msg=(ready)")

    def wait_for(self, pattern: str) -> str:
        """Read the log up to a line that matches; returns the match's group."""
        for line in self._lines():
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
        self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode

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

    def _lines(self) -> Iterator[str]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            yield line
