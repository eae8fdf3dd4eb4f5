"""Imports every module and answers a request where all is missing that only some systems have.

Prints the family of the loop, the answer's status and why there is no Unix socket.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import signal
import socket
import sys

_UNIX = socket.AF_UNIX
_make_pair = socket.socketpair


def _strip() -> None:
    """Take away what Windows lacks. Its pairs of sockets are Python's own work."""
    sys.modules.update({"uvloop": None, "resource": None})  # type: ignore[dict-item]
    socket.socketpair = lambda: _make_pair(_UNIX)  # type: ignore[assignment, misc]
    del socket.AF_UNIX
    for name in ("SIGUSR1", "SIGCHLD"):
        delattr(signal, name)
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_DIRECTORY"):
        delattr(os, name)
    os.supports_dir_fd.clear()


def _import_all() -> None:
    import llamabox

    for module in pkgutil.walk_packages(llamabox.__path__, "llamabox."):
        if module.name in ("llamabox.__main__", "llamabox._core", "llamabox._core_fake"):
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            # The core may be built elsewhere; nothing else may be missing.
            if "_core" not in str(error):
                raise


def _main() -> None:
    _strip()
    _import_all()
    from api_harness import LiveServer, chat
    from conftest import CONFIG
    from fake_core import fake_engine
    from llamabox.event_loop import new_event_loop
    from llamabox.http.bind import bind

    loop = new_event_loop()
    loop.close()
    server = LiveServer(fake_engine(), CONFIG)
    status = server.post("/v1/chat/completions", chat()).status
    server.close()
    try:
        bind("/tmp/none.sock", 0)
    except OSError as error:
        print(isinstance(loop, asyncio.SelectorEventLoop), status, error)


if __name__ == "__main__":
    _main()
