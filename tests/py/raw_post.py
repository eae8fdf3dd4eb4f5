"""Requests to a real server over bare sockets, whose answers are read as they come."""

from __future__ import annotations

import json
import socket

from box_process import HOST, TIMEOUT_S, Box


def post_bytes(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """A POST as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Post:
    """A POST whose answer is read as it comes."""

    def __init__(self, server: Box, path: str, fields: dict[str, object]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)
        self._socket.sendall(post_bytes(path, json.dumps(fields).encode()))
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
    answer = get(server, "/health")
    return answer[9:12], answer.split(b"\r\n\r\n", 1)[1]


def get(server: Box, path: str) -> bytes:
    """The whole answer to a GET."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as probe:
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
        probe.sendall(head.encode())
        answer = b""
        while part := probe.recv(65536):
            answer += part
    return answer
