"""Speed over RPC: upstream's server against ours with upstream's own client, and TLS against plain.

Usage: rpc.py --model FILE [--bin-dir FOLDER] [--rounds N] [--seconds N] [--prompt N] [--new N]
              [-t N]

Each round measures every kind once, beginning with another one; the table has medians, and the last
lines compare our server with upstream's by the median of the rounds' ratios. Servers and clients
run on this machine, one pair at a time, over the loopback interface. Bytes are counted by a proxy,
in a run of their own that nobody times. --seconds ends the rounds, after three at least.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from server_process import HOST, free_port, wait_until

TIMEOUT_S = 300
MIN_ROUNDS = 3
TOKEN = "bench"  # noqa: S105  # of a server that lives for seconds


class Speed(NamedTuple):
    """Tokens per second of the prompt and of the answer."""

    prefill: float
    decode: float


class Measured(NamedTuple):
    """A kind of pair: its name and how one of it is measured."""

    name: str
    measure: Callable[[argparse.Namespace], Speed]


@contextmanager
def _started(command: list[str], sign: str) -> Iterator[re.Match[str]]:
    """A process that runs after its output has had a line that matches ``sign``."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(sign, line):
                yield found
                return
        raise SystemExit(f"{command[0]} ended before it was ready")
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


@contextmanager
def _our_server(given: argparse.Namespace, *words: str) -> Iterator[str]:
    endpoint = f"{HOST}:{free_port()}"
    command = [sys.executable, "-m", "llamabox", "--rpc-server-host", HOST]
    command += ["--rpc-server-port", endpoint.rpartition(":")[2], "--rpc-server-main-gpu=-1"]
    with _started([*command, "--rpc-server-threads", str(given.threads), *words], "msg=ready"):
        yield endpoint


@contextmanager
def _stock_server(given: argparse.Namespace) -> Iterator[str]:
    port = free_port()
    command = [str(given.bin_dir / "ggml-rpc-server"), "-H", HOST, "-p", str(port)]
    command += ["-t", str(given.threads), "-d", "CPU"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(process, lambda: _is_open(port))
        yield f"{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _with_stock_client(given: argparse.Namespace, endpoint: str) -> Speed:
    """Its answer follows a prompt of the same length as our client's."""
    prompt, answer = ["-p", str(given.prompt), "-n", "0"], ["-p", "0", "-n", str(given.new)]
    return Speed(
        _bench_rate(given, endpoint, *prompt),
        _bench_rate(given, endpoint, *answer, "-d", str(given.prompt)),
    )


def _bench_rate(given: argparse.Namespace, endpoint: str, *words: str) -> float:
    command = [str(given.bin_dir / "llama-bench"), "-m", str(given.model), "--rpc", endpoint]
    command += ["-ngl", "99", "-t", str(given.threads), "-r", "1", "-o", "json", *words]
    done = subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
    (row,) = json.loads(done.stdout)
    rate: float = row["avg_ts"]
    return rate


def _with_our_client(given: argparse.Namespace, endpoint: str, *words: str) -> Speed:
    command = [sys.executable, "-m", "llamabox", "--port", "0", "-m", str(given.model), "--host"]
    command += [HOST, "-np", "1", "-c", str(given.prompt + given.new + 64), "--rpc", endpoint]
    command += ["-t", str(given.threads), "--tensor-split", "1", *words]
    ready = r"msg=ready .*address=\S*:(\d+)"
    with _started(command, ready) as found:
        return _timed_completion(int(found.group(1)), given)


def _timed_completion(port: int, given: argparse.Namespace) -> Speed:
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    prompt = [1 + i % 200 for i in range(given.prompt)]
    body = {"prompt": prompt, "n_predict": given.new, "ignore_eos": True, "temperature": 0}
    connection.request("POST", "/completion", json.dumps(body))
    timings = json.load(connection.getresponse())["timings"]
    connection.close()
    return Speed(timings["prompt_per_second"], timings["predicted_per_second"])


class _Counter:
    """A port that passes everything on to a server and counts the bytes of both directions."""

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self._server = host, int(port)
        self._listener = socket.create_server((HOST, 0))
        self.endpoint = f"{HOST}:{self._listener.getsockname()[1]}"
        self._carried: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def n_bytes(self) -> int:
        """Of all connections so far."""
        return sum(self._carried)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._server, TIMEOUT_S)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            while part := source.recv(1 << 16):
                self._carried.append(len(part))
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)


def _wire_bytes(given: argparse.Namespace, server: Callable[..., Any]) -> int:
    """What upstream's client and a server say to each other."""
    with server(given) as endpoint:
        counter = _Counter(endpoint)
        _with_stock_client(given, counter.endpoint)
        return counter.n_bytes


def _stock_pair(given: argparse.Namespace) -> Speed:
    with _stock_server(given) as endpoint:
        return _with_stock_client(given, endpoint)


def _our_server_stock_client(given: argparse.Namespace) -> Speed:
    with _our_server(given) as endpoint:
        return _with_stock_client(given, endpoint)


def _our_pair(given: argparse.Namespace) -> Speed:
    with _our_server(given) as endpoint:
        return _with_our_client(given, endpoint)


def _our_pair_over_tls(given: argparse.Namespace) -> Speed:
    with tempfile.TemporaryDirectory() as folder:
        cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
        kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -nodes"
        name = ["-subj", "/CN=bench", "-addext", f"subjectAltName=IP:{HOST}"]
        command = ["openssl", *kind.split(), *name, "-keyout", key, "-out", cert]
        subprocess.run(command, check=True, capture_output=True)
        secured = ["--rpc-server-ssl-cert-file", cert, "--rpc-server-ssl-key-file", key]
        with _our_server(given, *secured, "--rpc-server-token", TOKEN) as endpoint:
            shown = ["--rpc-token", TOKEN, "--rpc-ssl-ca-file", cert]
            return _with_our_client(given, endpoint, *shown)


KINDS = (
    Measured("upstream's server, upstream's client", _stock_pair),
    Measured("our server, upstream's client", _our_server_stock_client),
    Measured("our server, our client", _our_pair),
    Measured("our server, our client, TLS and token", _our_pair_over_tls),
)


def main() -> None:
    """Measure in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--bin-dir", type=Path, default=Path("build/bench/bin"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=240, help="for all rounds together")
    parser.add_argument("--prompt", type=int, default=256, help="tokens")
    parser.add_argument("--new", type=int, default=64, help="tokens")
    parser.add_argument("-t", "--threads", type=int, default=1)
    given = parser.parse_args()
    found: dict[str, list[Speed]] = {kind.name: [] for kind in KINDS}
    began = time.monotonic()
    for n in range(given.rounds):
        if n >= MIN_ROUNDS and time.monotonic() - began > given.seconds * n / (n + 1):
            break  # another round would not be over in time
        for kind in (*KINDS[n % len(KINDS) :], *KINDS[: n % len(KINDS)]):
            found[kind.name].append(kind.measure(given))
    print("| pair | prompt tok/s | answer tok/s |\n|---|---|---|")
    for name, speeds in found.items():
        prefill = statistics.median(speed.prefill for speed in speeds)
        decode = statistics.median(speed.decode for speed in speeds)
        print(f"| {name} | {prefill:.1f} | {decode:.1f} |")
    theirs, ours = (found[kind.name] for kind in KINDS[:2])
    pairs = list(zip(ours, theirs, strict=True))
    prefill = statistics.median(our.prefill / their.prefill for our, their in pairs)
    decode = statistics.median(our.decode / their.decode for our, their in pairs)
    print(f"\nOur server / upstream's, medians of {len(pairs)} rounds:", end=" ")
    print(f"prompt {prefill:.3f}, answer {decode:.3f}")
    n_ours, n_theirs = (_wire_bytes(given, server) for server in (_our_server, _stock_server))
    print(f"Bytes on the wire, ours / upstream's: {n_ours} / {n_theirs} = {n_ours / n_theirs:.4f}")


if __name__ == "__main__":
    main()
