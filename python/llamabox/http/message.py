"""Requests, responses and the error body every layer answers with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import orjson

HeaderPairs = tuple[tuple[str, str], ...]

_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    503: "unavailable_error",
}
_REQUEST_ID_BYTES = 128
_NOT_IN_REQUEST_ID = re.compile(r"[^A-Za-z0-9._-]+")


class Headers:
    """The header fields of a request; names are compared without case.

    A field that came several times has its values joined with ``", "``. Values are latin-1 text
    from the client: never log or echo one as it is.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        values: dict[str, str] = {}
        for raw_name, raw_value in pairs:
            name = raw_name.decode("latin-1").lower()
            value = raw_value.decode("latin-1")
            values[name] = f"{values[name]}, {value}" if name in values else value
        self._values = values

    def get(self, name: str | bytes, default: str | None = None) -> str | None:
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        return self._values.get(text.lower(), default)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        # Values can be credentials, so only names are shown.
        return f"Headers({', '.join(self._values)})"


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request."""

    method: str  # upper case
    path: str  # percent-decoded, without the query
    query: str  # raw text after the first "?", or ""
    headers: Headers
    body: bytes | bytearray
    client: str  # "address:port", "[address]:port" or "unix"
    request_id: str  # only [A-Za-z0-9._-], 1 to 128 characters; to echo and log, never a key
    http_version: str  # "1.0" or "1.1"


@dataclass(frozen=True, slots=True)
class Response:
    """One whole answer. Content-Length, Date, X-Request-ID and CORS fields are added on sending."""

    status: int
    body: bytes | bytearray  # not changed any more
    content_type: str = "application/json"
    headers: HeaderPairs = ()


class HttpError(Exception):
    """A request that is answered with an error status.

    ``message`` is shown to the client and must not quote raw client bytes.
    """

    def __init__(self, status: int, message: str, headers: HeaderPairs = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def response(self) -> Response:
        return error_response(
            self.status, self.message, error_type(self.status), headers=self.headers
        )


def error_type(status: int) -> str:
    """The error type that OpenAI clients expect for an HTTP status."""
    if status in _ERROR_TYPES:
        return _ERROR_TYPES[status]
    return "server_error" if status >= 500 else "invalid_request_error"


def error_response(
    status: int,
    message: str,
    type: str,  # noqa: A002 - the name of the field it fills
    param: str | None = None,
    headers: HeaderPairs = (),
) -> Response:
    """The error answer of every route: ``{"error": {...}, "detail": message}``."""
    error = {"code": status, "message": message, "type": type, "param": param}
    return Response(status, orjson.dumps({"error": error, "detail": message}), headers=headers)


def reason_phrase(status: int) -> bytes:
    """The words after the status code; none for a code without."""
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


def request_id(sent: str | None) -> str:
    """The client's X-Request-ID reduced to harmless characters, or a fresh one."""
    if sent:
        kept = _NOT_IN_REQUEST_ID.sub("", sent)[:_REQUEST_ID_BYTES]
        if kept:
            return kept
    return os.urandom(16).hex()
