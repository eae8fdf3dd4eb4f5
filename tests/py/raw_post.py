"""Requests to a real server over bare sockets, whose answers are read as they come."""

from __future__ import annotations

import json
import socket

from box_process import HOST, TIMEOUT_S, Box


class Post:
    """A POST whose answer is read as it comes."""

    def __init__(self, server: Box, path: str, fields: dict[str, object]) -> None:
        body = json.dumps(fields).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket = socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)
        self._socket.sendall(head.encode() + body)
        self.received = b""

    def wait_for(self, text: bytes) -> None:
        while text not in self.received:
            part = self._socket.recv(65536)
            assert part, self.received
            self.received += part

    def rest(self) -> bytes:
        """The whole answer, once the server has ended it."""
        with self._socket:
            while part := self._socket.recv(65536):
                self.received += part
        return self.received


def health(server: Box) -> tuple[bytes, bytes]:
    """The status and the body."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as probe:
        probe.sendall(f"GET /health HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := probe.recv(65536):
            answer += part
    return answer[9:12], answer.split(b"\r\n\r\n", 1)[1]
