"""Every limit of the HTTP layer, and the pure checks that apply them.

All limits are finite. Times are seconds, sizes are bytes. The checks take the time as an argument,
so tests drive them with a clock of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from llamabox.http.system import descriptor_limit

KIB = 1024
MIB = 1024 * KIB

# Descriptors kept back for the model file, logs, wake fds and listening sockets.
_RESERVED_DESCRIPTORS = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server.

    Raises ValueError, naming the field, when a value is not positive; only ``sse_ping_s`` may be
    0, which turns the pings off.
    """

    # Connections.
    max_connections: int = 4096  # open at once; more wait in the backlog
    backlog: int = 1024  # connections the kernel keeps waiting for accept
    accept_pause_s: float = 0.1  # rest after the process ran out of descriptors

    # The head of a request.
    request_line_bytes: int = 8 * KIB
    method_bytes: int = 16
    header_bytes: int = 64 * KIB  # request line and header lines together
    header_lines: int = 100
    header_s: float = 10.0  # from the first byte to the end of the head
    conn_idle_s: float = 60.0  # before the first byte of a connection
    conn_keepalive_s: float = 15.0  # between two requests

    # The body of a request.
    text_body_bytes: int = 16 * MIB  # routes that take text
    large_body_bytes: int = 100 * MIB  # routes that take media
    all_bodies_bytes: int = 1024 * MIB  # bodies held by all requests together
    timeout_s: float = 600.0  # ceiling for reading one body and for one blocked write
    body_grace_s: float = 5.0  # start of a body during which its rate is not measured
    body_window_s: float = 10.0  # span over which the rate is averaged
    body_rate: int = 4 * KIB  # least bytes per second after the grace
    chunk_free_count: int = 1024  # chunks of any size at the start of a chunked body
    chunk_average_bytes: int = 64  # least average size of a chunk after those
    chunk_extension_bytes: int = 256
    read_slice_bytes: int = 64 * KIB  # input handled before the loop gets a turn

    # Answers.
    write_high_bytes: int = 64 * KIB  # unsent bytes above which a writer should wait
    write_low_bytes: int = 16 * KIB  # unsent bytes below which it may go on
    unread_bytes: int = 256 * KIB  # unsent bytes of one stream above which its events should wait
    write_stall_s: float = 30.0  # without any unsent byte taken by the client
    linger_s: float = 2.0  # input thrown away after a refusal, so that the client can read it; a
    # shutdown's wait for the first request of a new connection

    # Server-sent events.
    sse_first_ping_s: float = 5.0  # silence before the first comment
    sse_ping_s: float = 15.0  # silence between later comments; 0 = no comments at all

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0 or (value == 0 and field.name != "sse_ping_s"):
                raise ValueError(f"{field.name} must be greater than 0, not {value}")


def connection_cap(limits: Limits) -> int:
    """Connections that may be open at once, given the descriptors this process may open."""
    descriptors = descriptor_limit()
    if descriptors is None:
        return limits.max_connections
    return max(1, min(limits.max_connections, descriptors - _RESERVED_DESCRIPTORS))


class BodyRate:
    """Whether a request body arrives fast enough.

    Nothing is asked during the grace; after it, each window must bring its share. ``next_check``
    is the time at which ``too_slow`` wants to be called next.
    """

    __slots__ = ("_ceiling", "_limits", "_window_end", "_window_start_bytes")

    def __init__(self, start: float, limits: Limits) -> None:
        self._limits = limits
        self._ceiling = start + limits.timeout_s
        self._window_end = start + limits.body_grace_s + limits.body_window_s
        self._window_start_bytes = 0

    @property
    def next_check(self) -> float:
        return min(self._window_end, self._ceiling)

    def too_slow(self, now: float, received_bytes: int) -> bool:
        """True when the body broke its ceiling or the window that ends now was too poor."""
        if now >= self._ceiling:
            return True
        if now < self._window_end:
            return False
        window = self._limits.body_window_s
        gained = received_bytes - self._window_start_bytes
        if gained < self._limits.body_rate * window:
            return True
        self._window_start_bytes = received_bytes
        self._window_end = now + window
        return False


def chunks_too_small(chunks: int, body_bytes: int, limits: Limits) -> bool:
    """True when a chunked body has more chunks than its size excuses.

    A chunk costs the same to parse whatever its size, so the number of chunks is what a hostile
    client can multiply.
    """
    paid = chunks - limits.chunk_free_count
    return paid > 0 and body_bytes < paid * limits.chunk_average_bytes


class WriteWatch:
    """Whether a client still takes what is written to it.

    Feed it regularly with the bytes written so far and the bytes not yet taken.
    """

    __slots__ = ("_blocked_since", "_limits", "_progress_at", "_taken")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.restart(0.0)

    def restart(self, now: float) -> None:
        """Begins anew after a time in which it was not fed."""
        self._taken = -1
        self._progress_at = now
        self._blocked_since: float | None = None

    def stalled(self, now: float, written: int, unsent: int) -> bool:
        """True when unsent bytes saw no progress, or were too many for too long."""
        taken = written - unsent
        if unsent == 0 or taken != self._taken:
            self._taken = taken
            self._progress_at = now
        if unsent <= self._limits.write_high_bytes:
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = now
        elif now - self._blocked_since >= self._limits.timeout_s:
            return True
        return now - self._progress_at >= self._limits.write_stall_s
