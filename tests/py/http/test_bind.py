"""Binding: ports, names, Unix sockets, and what a failure says."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from llamabox.http.server import bind


def test_all_addresses_of_a_name_share_a_port() -> None:
    sockets = bind("localhost", 0)
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
    finally:
        for sock in sockets:
            sock.close()


def test_a_file_in_the_way_of_a_unix_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="not a socket"):
        bind(str(path), 0)
    assert path.read_text() == "precious"


def test_bind_errors() -> None:
    (taken,) = bind("127.0.0.1", 0)
    taken.listen()
    with taken, pytest.raises(OSError) as caught:  # noqa: PT011 - the number is checked below
        bind("127.0.0.1", taken.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError, match="between 0 and 65535"):
        bind("127.0.0.1", 65536)
    with pytest.raises(OSError, match="empty"):
        bind("", 0)
    with pytest.raises(socket.gaierror):
        bind("no such host", 0)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is checked below
        bind("/no/such/folder/a.sock", 0)
    assert caught.value.errno == errno.ENOENT
