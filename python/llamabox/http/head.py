"""Reads the head of a request: request line and header fields.

h11 parses it; this module adds what h11 lets pass (RFC 9110, RFC 9112): bare line feeds, folded
lines, ambiguous framing, foreign versions, odd targets and hosts, and the size of the whole head,
which h11 bounds only while it is incomplete. No sockets here; errors are HttpError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import h11

from llamabox.http.limits import Limits
from llamabox.http.message import Headers, HttpError

ALL_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_BARE_LF = re.compile(rb"(?<!\r)\n")
_METHOD = re.compile(rb"[A-Z][A-Z-]*")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EMPTY_LINES_SKIPPED = 2


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of one request says, checked."""

    method: str
    target: str  # path as sent, for the log; printable ASCII without spaces
    path: str  # percent-decoded
    query: str
    headers: Headers  # "host" holds the authority of the target when that names one
    http_version: str  # "1.0" or "1.1"
    content_length: int  # 0 when the body is chunked or there is none
    chunked: bool
    expects_continue: bool
    protocol: h11.Connection  # has seen this head; writes the answer


class HeadReader:
    """Takes one head at a time off the front of the input."""

    __slots__ = ("_limits", "_searched", "_skipped")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._searched = 0
        self._skipped = 0

    def take(self, inbox: bytearray) -> bytes | None:
        """The next whole head, removed from ``inbox``; None when more input is needed.

        ERRORS: 400 for input that cannot become a head, 414 and 431 for sizes.
        """
        self._skip_empty_lines(inbox)
        if not inbox or inbox == b"\r":
            return None
        if inbox[0] < 0x21:
            raise HttpError(400, "this is not an HTTP request")
        limits = self._limits
        start = max(0, self._searched - 3)
        end = inbox.find(b"\r\n\r\n", start, limits.header_bytes + 4)
        line_end = inbox.find(b"\r\n", 0, limits.request_line_bytes + 2)
        if line_end < 0 and len(inbox) > limits.request_line_bytes:
            limit = limits.request_line_bytes
            raise HttpError(414, f"the request line is longer than {limit} bytes")
        if _BARE_LF.search(inbox, start, len(inbox) if end < 0 else end + 4):
            raise HttpError(400, "a line of the request head ends without a carriage return")
        if end < 0:
            if len(inbox) > limits.header_bytes:
                raise HttpError(431, f"the header is longer than {limits.header_bytes} bytes")
            self._searched = len(inbox)
            return None
        head = bytes(inbox[: end + 4])
        del inbox[: end + 4]
        self._searched = self._skipped = 0
        return head

    def _skip_empty_lines(self, inbox: bytearray) -> None:
        # RFC 9112 2.2: a client may send an empty line before its request.
        while inbox.startswith(b"\r\n"):
            if self._skipped == _EMPTY_LINES_SKIPPED:
                raise HttpError(400, "too many empty lines before the request")
            del inbox[:2]
            self._skipped += 1
        if inbox[:1] == b"\r" and len(inbox) > 1:
            raise HttpError(400, "this is not an HTTP request")


def parse_head(raw: bytes, limits: Limits) -> Head:
    """Parses and checks one head that ends with an empty line.

    ERRORS: HttpError with 400, 405, 417, 431, 501 or 505.
    """
    lines = raw[:-4].split(b"\r\n")
    _check_request_line(lines[0], limits)
    _check_lines(lines[1:], limits)
    protocol = h11.Connection(h11.SERVER)
    protocol.receive_data(raw)
    try:
        event = protocol.next_event()
    except h11.RemoteProtocolError as error:
        # The text of h11 quotes the client's bytes, so it is not passed on.
        status = error.error_status_hint
        text = "this transfer coding is not supported" if status == 501 else "malformed request"
        raise HttpError(status, text) from None
    if not isinstance(event, h11.Request):
        raise HttpError(400, "malformed request")
    version = event.http_version.decode("ascii")
    pairs = list(event.headers)
    content_length, chunked = _framing(pairs, version)
    target, authority = _split_target(event.method, event.target.decode("ascii"))
    if authority is not None:
        pairs = [pair for pair in pairs if pair[0] != b"host"]
        pairs.append((b"host", authority.encode("ascii")))
    headers = Headers(pairs)
    _check_host(headers.get("host"))
    raw_path, _, query = target.partition("?")
    return Head(
        method=event.method.decode("ascii"),
        target=raw_path,
        path=_decode_path(raw_path),
        query=query,
        headers=headers,
        http_version=version,
        content_length=content_length,
        chunked=chunked,
        expects_continue=_expects_continue(headers.get("expect"), version),
        protocol=protocol,
    )


def _check_request_line(line: bytes, limits: Limits) -> None:
    words = line.split(b" ")
    if len(words) != 3 or not _VERSION.fullmatch(words[2]):
        raise HttpError(400, "malformed request line")
    if words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise HttpError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    method, target = words[0], words[1]
    if len(method) > limits.method_bytes or not _METHOD.fullmatch(method):
        raise HttpError(400, "malformed method")
    if method == b"CONNECT":
        raise HttpError(405, "CONNECT is not supported", (("Allow", ALL_METHODS),))
    if b"#" in target:
        raise HttpError(400, "the request target must not have a fragment")


def _check_lines(lines: list[bytes], limits: Limits) -> None:
    if len(lines) > limits.header_lines:
        raise HttpError(431, f"the header has more than {limits.header_lines} lines")
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            raise HttpError(400, "folded header lines are not accepted")
    lengths = [line for line in lines if line[:15].lower() == b"content-length:"]
    # h11 merges equal values; a proxy may have counted them in another way.
    if len(lengths) > 1 or (lengths and b"," in lengths[0]):
        raise HttpError(400, "Content-Length must be given once")


def _framing(pairs: list[tuple[bytes, bytes]], version: str) -> tuple[int, bool]:
    """Content-Length, and whether the body is chunked."""
    length: int | None = None
    chunked = False
    for name, value in pairs:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            chunked = True
    if chunked and length is not None:
        raise HttpError(400, "Content-Length and Transfer-Encoding must not come together")
    if chunked and version == "1.0":
        raise HttpError(400, "HTTP/1.0 has no Transfer-Encoding")
    return length or 0, chunked


def _split_target(method: bytes, target: str) -> tuple[str, str | None]:
    """Path with query, and the authority that an absolute target names."""
    if target.startswith("/"):
        return target, None
    if target == "*" and method == b"OPTIONS":
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise HttpError(400, "malformed request target")
    rest = absolute[2]
    return (rest if rest.startswith("/") else "/" + rest), absolute[1]


def _check_host(host: str | None) -> None:
    if host is not None and not _HOST.fullmatch(host):
        raise HttpError(400, "malformed Host")


def _decode_path(raw_path: str) -> str:
    if "%" not in raw_path:
        return raw_path
    if _BAD_ESCAPE.search(raw_path):
        raise HttpError(400, "malformed escape in the path")
    try:
        path = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        raise HttpError(400, "the path is not UTF-8") from None
    if _CONTROL.search(path):
        raise HttpError(400, "control character in the path")
    return path


def _expects_continue(expect: str | None, version: str) -> bool:
    if expect is None or version == "1.0":
        return False
    if expect.strip().lower() != "100-continue":
        raise HttpError(417, "only Expect: 100-continue is supported")
    return True
