"""Options of the RPC server, each seen in what is lent or in why nothing is."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

from box_process import TIMEOUT_S
from llamabox.option_parser import parse
from real_core import provide_core
from rpc_box import free_port


def start_of(*words: str, host: str = "127.0.0.1") -> str:
    """What is logged until a client can come, which then does, or until the start ends."""
    port = free_port(host)
    address = ("--rpc-server-host", host, "--rpc-server-port", str(port))
    command = [sys.executable, "-m", "llamabox", *address, *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log = ""
        try:
            for line in process.stderr:
                log += line
                if "msg=ready" in line:
                    socket.create_connection((host, port), TIMEOUT_S).close()
                    break
        finally:
            process.terminate()
            process.communicate(timeout=TIMEOUT_S)
    return log


def capacity_mib(*words: str) -> int:
    (found,) = re.findall(r"capacity_mib=(\d+)", start_of(*words))
    return int(found)


def test_it_listens_where_asked() -> None:
    assert "msg=ready" in start_of(host="::1")


def test_a_device_that_there_is_not_is_not_lent() -> None:
    assert "there is no GPU 99" in start_of("--rpc-server-main-gpu", "99")


def test_what_is_reserved_is_not_lent() -> None:
    assert capacity_mib() - capacity_mib("--rpc-server-reserve-memory", "256") == 256


def test_weights_are_kept_in_the_folder(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file where the folder should be")
    log = start_of("--rpc-server-cache", "--rpc-server-cache-dir", str(taken))
    assert "cannot lend the device" in log and "rpc-server-cache-dir" in log


def test_threads_reach_the_parameters() -> None:
    provide_core()
    from llamabox.rpc_worker import rpc_params

    for words, n_threads in (([], 0), (["--rpc-server-threads", "3"], 3)):
        assert rpc_params(parse(words).config.rpc, []).n_threads == n_threads
