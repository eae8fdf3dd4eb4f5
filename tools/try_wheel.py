"""Start an installed llama-box on the demo model and print its greedy answer.

    tools/try_wheel.py PROGRAM                     whose wheel is to be tried out
    tools/try_wheel.py PROGRAM --same-as OTHER     and whose answer must be that of another one
    tools/try_wheel.py PROGRAM --device NAME       and who must say that it has this device

Ends with 1 when the answers differ or the device is missing. What follows "--" goes to PROGRAM.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from first_answer import HOST, LOG, STOP_SECONDS, answer, free_port, wait_until_ready


def text_of(program: str, options: list[str]) -> str:
    """The answer of a server that is started for it."""
    port = free_port()
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("wb") as log:
        command = [program, "--host", HOST, "--port", str(port), *options]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until_ready(server, port)
        return "".join(answer(port))
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--same-as", metavar="OTHER")
    parser.add_argument("--device", metavar="NAME")
    parser.add_argument("options", nargs="*")
    given = parser.parse_args()
    listed = subprocess.run(
        [given.program, "--list-devices"], check=True, capture_output=True, text=True, timeout=60
    )
    print(listed.stderr + listed.stdout, end="")
    if given.device and not any(
        line.startswith(f"{given.device}:") for line in listed.stdout.splitlines()
    ):
        print(f"error: no device {given.device}")
        return 1
    text = text_of(given.program, given.options)
    print(text)
    if not text or (given.same_as and text_of(given.same_as, []) != text):
        print("error: the answers differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
