"""A model split over two RPC servers behind a slow network: the same text as locally.

Where the machine lets us, each server has a network namespace of its own; the delay is a proxy's,
since few kernels have netem.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from llamabox.models import DEMO_MODEL
from real_core import provide_core
from rpc_box import RpcBox, text_of

provide_core()

_DELAY_S = 0.002
_MODEL = ("-m", str(DEMO_MODEL))


class SlowLink:
    """A port here whose bytes reach a server, and come back, some time later."""

    def __init__(self, server: RpcBox) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._listening.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = asyncio.start_server(self._join, "127.0.0.1", 0)
        self._sockets = self._loop.run_until_complete(serving).sockets
        self.endpoint = f"127.0.0.1:{self._sockets[0].getsockname()[1]}"
        self._listening.set()
        self._loop.run_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await asyncio.open_connection(self._server.host, self._server.port)
        await asyncio.gather(self._carry(reader, far[1]), self._carry(far[0], writer))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """In order, as ever: calls at the same distance in time keep theirs."""
        try:
            while part := await source.read(1 << 16):
                self._loop.call_later(_DELAY_S, sink.write, part)
        finally:
            self._loop.call_later(_DELAY_S, sink.close)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def _namespace(number: int) -> Iterator[tuple[str, str]]:
    """A network namespace and the address it has for us."""
    name = f"llbx{os.getpid()}-{number}"
    ours, theirs = f"lb{os.getpid() % 100000}a{number}", f"lb{os.getpid() % 100000}b{number}"
    net = f"10.213.{os.getpid() % 250}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs)
        _ip("link", "set", theirs, "netns", name)
        _ip("addr", "add", f"{net}.{8 * number + 1}/30", "dev", ours)
        _ip("link", "set", ours, "up")
        _ip("-n", name, "addr", "add", f"{net}.{8 * number + 2}/30", "dev", theirs)
        _ip("-n", name, "link", "set", theirs, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield name, f"{net}.{8 * number + 2}"
    finally:
        _ip("netns", "delete", name)


def _may_have_namespaces() -> bool:
    """Whether this process may make and mount them, on a system that has them."""
    net_admin, sys_admin = 1 << 12, 1 << 21
    if shutil.which("ip") is None:
        return False
    status = Path("/proc/self/status").read_text()
    (held,) = re.findall(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(held, 16) & (net_admin | sys_admin) == net_admin | sys_admin


def _split_text(lenders: list[RpcBox]) -> str:
    links = ",".join(SlowLink(box).endpoint for box in lenders)
    return text_of(*_MODEL, "--rpc", links, "--tensor-split", "1,1")


def test_text_split_over_two_servers_far_away_is_the_local_text() -> None:
    lenders = [RpcBox(), RpcBox()]
    assert _split_text(lenders) == text_of(*_MODEL)
    for box in lenders:
        box.wait_for(r"(rpc client ended: .* graphs=[1-9])")
        assert box.stop() == 0


@pytest.mark.full
@pytest.mark.skipif(not _may_have_namespaces(), reason="no network namespaces here")
def test_text_split_over_two_network_namespaces_is_the_local_text() -> None:
    with ExitStack() as stack:
        lenders = []
        for number in (1, 2):
            name, address = stack.enter_context(_namespace(number))
            inside = ("ip", "netns", "exec", name)
            lenders.append(RpcBox(host=address, inside=inside, port=50052))
        try:
            assert _split_text(lenders) == text_of(*_MODEL)
            for box in lenders:
                box.wait_for(r"(rpc client ended: .* graphs=[1-9])")
        finally:
            codes = [box.stop() for box in lenders]
        assert codes == [0, 0]
