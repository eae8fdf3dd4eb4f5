"""Image models whose parts are on RPC servers of our own: the pixels of the same model at home, and
what becomes of requests when a server is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from box_process import Box
from raw_post import Post, health
from real_core import provide_core
from real_images import BareEngine, config_of, made_by, make_files, wanted, words_of
from rpc_box import RpcBox

pytestmark = pytest.mark.image_build

_STEPS = 3
# Long enough to be lost in the middle of it.
_LONG = {"n": 4, "sampling_steps": 150}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    provide_core()
    return make_files(tmp_path_factory.mktemp("image-model"))


@pytest.fixture(scope="module")
def at_home(files: dict[str, Path]) -> Iterator[BareEngine]:
    engine = BareEngine(config_of(files, adapters__loras=((str(files["lora"]), 0.0),)))
    yield engine
    engine.close()


def _made(server: Box, **fields: Any) -> bytes:
    return made_by(server, sampling_steps=_STEPS, **fields)


def _lenders(n: int) -> list[RpcBox]:
    return [RpcBox() for _ in range(n)]


def _served(files: dict[str, Path], lenders: list[RpcBox], *words: str) -> Box:
    endpoints = ",".join(box.endpoint for box in lenders)
    return Box(*words_of(files), "--rpc", endpoints, "--lora", str(files["lora"]), *words)


@pytest.mark.parametrize("n_servers", [2, pytest.param(3, marks=pytest.mark.full)])
def test_parts_on_servers_give_the_pixels_of_parts_at_home(
    files: dict[str, Path], at_home: BareEngine, n_servers: int
) -> None:
    lenders = _lenders(n_servers)
    split = ",".join("1" * n_servers)
    server = _served(files, lenders, "--tensor-split", split, "--lora-init-without-apply")
    expected = at_home.make(256, steps=_STEPS)
    assert _made(server) == expected
    changed = at_home.make(256, steps=_STEPS, loras=at_home.lora(1.0))
    assert _made(server, lora=[{"id": 0, "scale": 1}]) == changed
    assert server.stop() == 0
    # Each of them holds a part: it has taken in more than the talk of a connection.
    for lender in lenders:
        lender.process.terminate()
        assert _received_mib(lender) > 1


@pytest.mark.full
def test_an_upscaler_on_a_server_gives_the_pixels_of_one_at_home(files: dict[str, Path]) -> None:
    upscaler = str(files["upscaler"])
    home = BareEngine(config_of(files, images__upscale_model=upscaler))
    expected = home.make(256, steps=_STEPS)
    home.close()
    lender = RpcBox()
    words = ("--image-upscale-model", upscaler, "--lora-init-without-apply")
    server = _served(files, [lender], *words)
    assert _made(server) == expected
    assert server.stop() == 0
    assert lender.stop() == 0


def _received_mib(lender: RpcBox) -> float:
    lender.wait()
    ends = [line for line in lender.log if "received_mib=" in line]
    return max(float(line.split("received_mib=")[1].split()[0]) for line in ends)


def test_a_lost_server_ends_requests_with_503_and_is_joined_again(
    files: dict[str, Path],
) -> None:
    lenders = _lenders(2)
    server = _served(files, lenders, "--tensor-split", "1,1", "--lora-init-without-apply")
    before = _made(server)
    pid = server.worker.pid
    streamed = Post(server, "/v1/images/generations", wanted(stream=True, **_LONG))
    whole = Post(server, "/v1/images/generations", wanted(**_LONG))
    streamed.wait_for(b"data: ")
    lenders[1].kill()
    lost = f"the RPC server {lenders[1].endpoint} was lost".encode()
    assert lost in streamed.rest()
    assert b"data: [DONE]" not in streamed.received
    answer = whole.rest()
    assert answer.startswith(b"HTTP/1.1 503"), answer
    assert lost in answer
    server.wait_for(r"msg=\"(worker died)\".* reason=\"an RPC server was lost\"")
    server.wait_for(r"(waiting for an RPC server)")
    status, said = health(server)
    assert status == b"503"
    assert b"waits for an RPC server" in said
    again = RpcBox(port=lenders[1].port)
    server.wait_for(r"msg=(ready)")
    assert health(server)[0] == b"200"
    assert server.worker.pid != pid
    assert _made(server) == before
    assert server.stop() == 0
    assert again.stop() == 0
    assert lenders[0].stop() == 0


@pytest.mark.parametrize("part", [0, 1])
def test_a_server_lost_between_images_is_a_503(files: dict[str, Path], part: int) -> None:
    """Its memory is missed before anything is computed; the first has the text encoder and the
    decoder, the second the diffusion model."""
    lenders = _lenders(2)
    server = _served(files, lenders, "--tensor-split", "1,1", "--lora-init-without-apply")
    _made(server)
    lenders[part].kill()
    answer = Post(server, "/v1/images/generations", wanted()).rest()
    assert answer.startswith(b"HTTP/1.1 503"), answer
    assert f"the RPC server {lenders[part].endpoint} was lost".encode() in answer
    server.wait_for(r"msg=\"(worker died)\".* reason=\"an RPC server was lost\"")
    assert server.stop() == 0
    assert lenders[1 - part].stop() == 0
