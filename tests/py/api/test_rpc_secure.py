"""RPC servers behind TLS and a token: real processes on both ends."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from box_process import TIMEOUT_S, Box
from llamabox.models import DEMO_MODEL
from real_core import provide_core
from rpc_box import RpcBox, RpcClient, complete, text_of
from tls_pair import make_pair

provide_core()

_MODEL = ("-m", str(DEMO_MODEL))
_BASE = ("-c", "512", "-np", "2", "-t", "1", "--temp", "0", *_MODEL)
_TOKEN = "a-token-of-nobody"  # a made-up one


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_pair(tmp_path_factory.mktemp("tls"))


def _secured(pair: tuple[str, str]) -> tuple[str, ...]:
    return (
        "--rpc-server-token", _TOKEN, "--rpc-server-ssl-cert-file", pair[0],
        "--rpc-server-ssl-key-file", pair[1],
    )  # fmt: skip


@pytest.fixture(scope="module")
def lenders(pair: tuple[str, str]) -> Iterator[tuple[RpcBox, RpcBox]]:
    both = RpcBox(*_secured(pair)), RpcBox(*_secured(pair))
    yield both
    for box in both:
        assert box.stop() == 0


def _devices(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llamabox", *words, "--list-devices"]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_text_split_over_two_secured_servers_is_the_local_text(
    lenders: tuple[RpcBox, RpcBox], pair: tuple[str, str]
) -> None:
    servers = ",".join(box.endpoint for box in lenders)
    words = ("--rpc", servers, "--tensor-split", "1,1", "--rpc-token", _TOKEN)
    assert text_of(*_MODEL, *words, "--rpc-ssl-ca-file", pair[0]) == text_of(*_MODEL)
    for box in lenders:
        box.wait_for(r"(rpc client ended: peer=127.0.0.1:\d+ .* graphs=[1-9])")


def test_devices_are_listed_under_the_name_of_their_server(
    lenders: tuple[RpcBox, RpcBox], pair: tuple[str, str]
) -> None:
    endpoint = lenders[0].endpoint
    answer = _devices("--rpc", endpoint, "--rpc-token", _TOKEN, "--rpc-ssl-ca-file", pair[0])
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"RPC0: {endpoint} (")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--rpc-token", "another"], "ends the handshake: it refuses the token"),
        ([], "ends the handshake: it refuses the token"),
    ],
)
def test_without_the_token_nobody_gets_in(
    lenders: tuple[RpcBox, RpcBox], pair: tuple[str, str], words: list[str], reason: str
) -> None:
    endpoint = lenders[0].endpoint
    answer = _devices("--rpc", endpoint, *words, "--rpc-ssl-ca-file", pair[0])
    assert answer.returncode == 1
    assert f"the server {endpoint} {reason}" in answer.stderr
    lenders[0].wait_for(r'(rpc client turned away.* reason="a wrong token")')


def test_a_certificate_that_the_system_does_not_trust_is_an_error(
    lenders: tuple[RpcBox, RpcBox],
) -> None:
    answer = _devices("--rpc", lenders[0].endpoint, "--rpc-token", _TOKEN)
    assert answer.returncode == 1
    assert "has a certificate that is not trusted" in answer.stderr
    assert _TOKEN not in answer.stderr


def test_a_plain_client_gets_nowhere(lenders: tuple[RpcBox, RpcBox]) -> None:
    assert _devices("--rpc", lenders[0].endpoint).returncode == 1
    stranger = RpcClient(lenders[0], greet=False)
    stranger.tell(14, bytes(24))
    with pytest.raises((ConnectionError, AssertionError)):
        # TLS answers with an alert, which is no reply of the protocol.
        assert stranger.take(8)[:1] == bytes((28,))
    stranger.close()


def test_a_secured_server_that_is_lost_is_named_and_joined_again(pair: tuple[str, str]) -> None:
    lender = RpcBox(*_secured(pair))
    client = ("--rpc", lender.endpoint, "--rpc-token", _TOKEN, "--rpc-ssl-ca-file", pair[0])
    server = Box(*_BASE, *client)
    before = complete(server)
    lender.kill()
    with pytest.raises(urllib.error.HTTPError) as caught:
        complete(server)
    assert caught.value.code == 503
    assert f"the RPC server {lender.endpoint} was lost" in caught.value.read().decode()
    server.wait_for(rf"(waiting for an RPC server.*{lender.endpoint} cannot be reached)")
    again = RpcBox(*_secured(pair), port=lender.port)
    server.wait_for(r"msg=(ready)")
    assert complete(server) == before
    assert server.stop() == 0
    assert again.stop() == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--rpc-server-token", "t"], "--rpc-server-token needs --rpc-server-ssl-cert-file"),
        (["--rpc-server-devices", "0,1", "--rpc-server-main-gpu=0"], "-devices: not allowed with"),
        (["--rpc-server-ssl-key-file", "k"], "--rpc-server-ssl-key-file needs"),
        (["--rpc-server-ssl-cert-file", "c", "--rpc-server-ssl-key-file", "k"], "cannot read c"),
    ],
)
def test_settings_that_would_not_protect_end_the_start(words: list[str], reason: str) -> None:
    command = [sys.executable, "-m", "llamabox", "--rpc-server-port", "1", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 1
    assert reason in ended.stderr


def test_a_file_without_certificates_ends_the_start(tmp_path: Path) -> None:
    answer = _devices("--rpc", "127.0.0.1:1", "--rpc-ssl-ca-file", str(tmp_path / "none"))
    assert answer.returncode == 1
    assert "--rpc-ssl-ca-file: cannot use" in answer.stderr
