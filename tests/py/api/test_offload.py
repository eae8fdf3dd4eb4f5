"""A device with too little room, lent by an RPC server: fewer layers, the same text and context."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from box_process import Box
from llamabox.models import DEMO_MODEL
from real_core import provide_core
from rpc_box import RpcBox, complete, text_of

provide_core()

_SPARE_MIB = 1024
_WORDS = ("-c", "512", "-np", "2", "-t", "1", "--temp", "0", "-m", str(DEMO_MODEL))


@pytest.fixture(scope="module")
def whole_mib() -> int:
    """What a server has to lend when it keeps nothing back."""
    box = RpcBox()
    assert box.stop() == 0
    return box.capacity_mib


@pytest.fixture
def cramped(whole_mib: int) -> Iterator[RpcBox]:
    """A server with room for a part of the demo model beside what must stay free."""
    reserved = whole_mib - _SPARE_MIB - 4
    box = RpcBox("--rpc-server-reserve-memory", str(reserved))
    yield box
    assert box.stop() == 0


def _started(*words: str) -> tuple[str, str]:
    """The log until a server is ready, and a text of it."""
    server = Box(*_WORDS, *words)
    try:
        text = complete(server)
    finally:
        assert server.stop() == 0
    return "".join(server.log), text


def _number(name: str, log: str) -> int:
    found = re.search(rf"{name}=(\d+)", log)
    assert found, log
    return int(found[1])


def test_as_many_layers_as_fit_are_offloaded_and_the_context_stays(cramped: RpcBox) -> None:
    log, text = _started("--rpc", cramped.endpoint)
    assert "no room for every layer" in log
    assert _number("layers_given", log) < _number("layers_asked", log)
    assert _number("ctx_size", log) == 512
    assert _number("given_mib", log) + _SPARE_MIB <= _number("free_mib", log)
    assert text == text_of("-m", str(DEMO_MODEL))


def test_layers_that_options_fix_are_put_where_they_say(cramped: RpcBox) -> None:
    log, _ = _started("--rpc", cramped.endpoint, "--gpu-layers", "99")
    assert _number("layers_given", log) == _number("layers_asked", log)


def test_no_layers_touch_no_device() -> None:
    box = RpcBox()
    log, text = _started("--rpc", box.endpoint, "--gpu-layers", "0")
    assert "layers_asked" not in log
    assert text == text_of("-m", str(DEMO_MODEL))
    assert box.stop() == 0
    said = "".join(box.log)
    assert "rpc client ended" in said
    assert not re.search(r"graphs=[1-9]", said)


def test_a_number_of_layers_without_a_device_is_a_warning() -> None:
    log, _ = _started("--gpu-layers", "20", "--device", "none")
    assert "no layer can be offloaded" in log and "flag=--gpu-layers" in log
