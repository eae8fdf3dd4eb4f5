"""What differs between systems: the same works with what every system has."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llamabox.event_loop import LineChannel, new_event_loop
from llamabox.http.system import descriptor_limit
from llamabox.system_paths import cache_folder
from llamabox.system_process import STOCK_IO, STOP_SIGNAL, watch_signals


@pytest.fixture(params=["best", "stock"])
def io(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "stock":
        monkeypatch.setenv(STOCK_IO, "1")
    else:
        monkeypatch.delenv(STOCK_IO, raising=False)
    return str(request.param)


def test_asyncios_own_loop_stands_in(io: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = new_event_loop()
    loop.close()
    assert isinstance(loop, asyncio.SelectorEventLoop) == (io == "stock")
    monkeypatch.setitem(sys.modules, "uvloop", None)
    other = new_event_loop()
    other.close()
    assert isinstance(other, asyncio.SelectorEventLoop)


def _fill(writer: int) -> None:
    while True:
        os.write(writer, bytes(65536))


def test_lines_reach_the_loop_and_never_block_who_writes(io: str) -> None:
    channel = LineChannel()
    with pytest.raises(BlockingIOError):
        channel.read(10)
    os.write(channel.writer, b"info\tline\n")
    assert channel.read(100) == b"info\tline\n"
    with pytest.raises(BlockingIOError):
        _fill(channel.writer)
    channel.close()
    os.close(channel.writer)


def test_signals_reach_the_loop_until_nobody_watches(io: str) -> None:
    before = signal.getsignal(signal.SIGUSR2)

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        came: asyncio.Queue[int] = asyncio.Queue()
        unwatch = watch_signals(loop, (signal.SIGUSR2, STOP_SIGNAL), came.put_nowait)
        numbers = []
        for number in (signal.SIGUSR2, STOP_SIGNAL, signal.SIGUSR2):
            os.kill(os.getpid(), number)
            numbers.append(await asyncio.wait_for(came.get(), 30))
        unwatch()
        return numbers

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        numbers = runner.run(main())
    assert numbers == [signal.SIGUSR2, STOP_SIGNAL, signal.SIGUSR2]
    assert signal.getsignal(signal.SIGUSR2) == before


def test_nothing_is_needed_that_only_some_systems_have() -> None:
    driver = Path(__file__).with_name("bare_system.py")
    command = [sys.executable, "-W", "error::ResourceWarning", str(driver)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True 200 this system has no Unix sockets\n"


def test_facts_of_this_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/llamabox")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "llamabox"
    limit = descriptor_limit()
    assert limit is None or limit > 0
