"""Start llama-box on the demo model, print one streamed answer, stop it. Used by tools/run.

Plain HTTP with the standard library, to show what a client has to do: nothing.
"""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
QUESTION = "Tell me a story about a cat."
LOG = Path(__file__).resolve().parent.parent / "build" / "run.log"
START_SECONDS = 60
STOP_SECONDS = 30


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until_ready(
    server: subprocess.Popen[bytes], port: int, seconds: float = START_SECONDS
) -> None:
    """Return when the model is loaded; end with the server's log when that fails."""
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.05)
    raise SystemExit(f"llama-box did not start; its log:\n{LOG.read_text()}")


def answer(port: int) -> Iterator[str]:
    """The pieces of the answer as they come."""
    body = {"messages": [{"role": "user", "content": QUESTION}], "stream": True, "temperature": 0}
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"llama-box answered {response.status}: {response.read().decode()}")
    for line in response:
        data = line.decode().strip().removeprefix("data: ")
        if data.startswith("{"):
            for choice in json.loads(data).get("choices", []):
                yield choice["delta"].get("content") or ""
    connection.close()


def main() -> int:
    port = free_port()
    LOG.parent.mkdir(exist_ok=True)
    command = [str(Path(sys.executable).parent / "llama-box"), "--host", HOST, "--port", str(port)]
    print("$", " ".join(["llama-box", *command[1:]]))
    with LOG.open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(server, port)
        print(f"> {QUESTION}")
        n_pieces = 0
        for piece in answer(port):
            print(piece, end="", flush=True)
            n_pieces += bool(piece)
        print()
    finally:
        server.terminate()
        code = server.wait(STOP_SECONDS)
    if code != 0 or n_pieces == 0:
        raise SystemExit(f"llama-box gave {n_pieces} pieces of text and ended with {code}: {LOG}")
    print(f"({n_pieces} pieces; the server has stopped. tools/run ARGS starts one that stays.)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
