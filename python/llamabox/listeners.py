"""The listening sockets as the command line asks for them."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from llamabox.config import HttpConfig
from llamabox.http.bind import bind
from llamabox.http.system import is_unix
from llamabox.log import fields

_BACKLOG = 1024
"""Connections that wait for the first worker; the worker sets its own number later."""

_logger = logging.getLogger(__name__)


class ListenError(Exception):
    """The address cannot be listened on; the message is one line for the user."""


def open_listeners(http: HttpConfig) -> list[socket.socket]:
    """Listen on the address of ``http`` and log each socket with its real port.

    Raises ListenError.
    """
    sockets: list[socket.socket] = []
    try:
        sockets += bind(http.host, http.port)
        for listener in sockets:
            listener.listen(_BACKLOG)
    except OSError as error:
        close_listeners(http, sockets)
        where = http.unix_path or f"{http.host} port {http.port}"
        raise ListenError(f"cannot listen on {where}: {_cause(error)}") from error
    for listener in sockets:
        _log_address(listener)
    return sockets


def close_listeners(http: HttpConfig, sockets: Sequence[socket.socket]) -> None:
    """Close the sockets and remove the file of a Unix socket; may be repeated."""
    was_open = any(listener.fileno() >= 0 for listener in sockets)
    for listener in sockets:
        listener.close()
    if was_open and http.unix_path is not None:
        with contextlib.suppress(FileNotFoundError):
            Path(http.unix_path).unlink()


def _cause(error: OSError) -> str:
    """The words of the system; Python appends the address to some, which the line has already."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _log_address(listener: socket.socket) -> None:
    name = listener.getsockname()
    if is_unix(listener):
        _logger.info("listening", extra=fields(path=name))
    else:
        _logger.info("listening", extra=fields(host=name[0], port=name[1]))
