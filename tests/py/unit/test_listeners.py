"""Listening sockets: what is logged, what a failure says, what is cleaned up."""

import logging
import socket
from pathlib import Path

import pytest

from llamabox.config import HttpConfig
from llamabox.listeners import ListenError, close_listeners, open_listeners


def test_port_zero_logs_the_port_it_got(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    http = HttpConfig(port=0)
    sockets = open_listeners(http)
    (record,) = caplog.records
    assert record.getMessage() == "listening"
    address = record.__dict__["fields"]
    assert address == {"host": "127.0.0.1", "port": sockets[0].getsockname()[1]}
    assert address["port"] != 0
    close_listeners(http, sockets)
    assert sockets[0].fileno() == -1


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        other.listen()
        with pytest.raises(ListenError, match=f"127.0.0.1 port {port}: Address already in use"):
            open_listeners(HttpConfig(port=port))


def test_clients_can_connect_before_anyone_accepts() -> None:
    http = HttpConfig(port=0)
    sockets = open_listeners(http)
    with socket.create_connection(sockets[0].getsockname(), timeout=60):
        close_listeners(http, sockets)


def test_a_unix_socket_that_cannot_be_made_names_its_path(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.sock"
    with pytest.raises(ListenError) as caught:
        open_listeners(HttpConfig(host=str(path)))
    assert str(caught.value) == f"cannot listen on {path}: No such file or directory"


def test_a_reason_without_an_error_number_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    path.write_text("a file")
    with pytest.raises(ListenError, match="a file that is not a socket is in the way"):
        open_listeners(HttpConfig(host=str(path)))
    assert path.exists()


def test_the_file_of_a_unix_socket_is_removed_once(tmp_path: Path) -> None:
    http = HttpConfig(host=str(tmp_path / "a.sock"))
    sockets = open_listeners(http)
    close_listeners(http, sockets)
    assert not (tmp_path / "a.sock").exists()
    (tmp_path / "a.sock").write_text("of another server")
    close_listeners(http, sockets)
    assert (tmp_path / "a.sock").exists()
