"""Start an installed llama-box on the demo model and print its greedy answer.

    tools/try_wheel.py PROGRAM                     whose wheel is to be tried out
    tools/try_wheel.py PROGRAM --same-as OTHER     and whose answer must be that of another one
    tools/try_wheel.py PROGRAM --device NAME       and who must say that it has this device
    tools/try_wheel.py PROGRAM --under "qemu-x86_64 -cpu Nehalem" --cpu-code sse42
                                                   and on an emulated processor, which must get
                                                   the library that was made for it

Ends with 1 when the answers differ or the device is missing. What follows "--" goes to PROGRAM.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from first_answer import HOST, LOG, STOP_SECONDS, answer, free_port, wait_until_ready

EMULATED_START_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Program:
    """An installed llama-box and how it is started."""

    path: str
    # What it runs under, if anything; an emulator does not follow it into processes that it starts.
    under: str = ""

    def command(self, *words: str) -> list[str]:
        if not self.under:
            return [self.path, *words]
        python = Path(self.path).with_name("python")
        return [*shlex.split(self.under), str(python), self.path, *words]


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    # The library of the CPU that the server uses, where Linux says so.
    cpu_code: str


def answer_of(program: Program, options: list[str]) -> Answer:
    """The answer of a server that is started for it."""
    port = free_port()
    LOG.parent.mkdir(exist_ok=True)
    words = ["--host", HOST, "--port", str(port), "--no-supervise", *options]
    with LOG.open("wb") as log:
        server = subprocess.Popen(program.command(*words), stdout=log, stderr=log)
    try:
        wait_until_ready(server, port, EMULATED_START_SECONDS)
        return Answer("".join(answer(port)), cpu_code(server.pid))
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)


def cpu_code(pid: int) -> str:
    maps = Path(f"/proc/{pid}/maps")
    found = re.findall(r"/libggml-cpu-(\w+)\.so", maps.read_text() if maps.exists() else "")
    return " ".join(sorted(set(found)))


def problems(given: argparse.Namespace, options: list[str]) -> list[str]:
    """Print what the program says and answers; return what is wrong with it."""
    program = Program(given.program, given.under)
    listed = subprocess.run(
        program.command("--list-devices"), check=True, capture_output=True, text=True, timeout=240
    )
    print(listed.stderr + listed.stdout, end="")
    wrong = []
    if given.device and f"\n{given.device}:" not in f"\n{listed.stdout}":
        wrong.append(f"no device {given.device}")
    got = answer_of(program, options)
    print(f"CPU code: {got.cpu_code or 'unknown'}\n{got.text}")
    if not got.text:
        wrong.append("no answer")
    if given.cpu_code and got.cpu_code != given.cpu_code:
        wrong.append(f"the processor should have got {given.cpu_code}")
    if given.same_as and answer_of(Program(given.same_as), []).text != got.text:
        wrong.append("the answers differ")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("--same-as", metavar="OTHER")
    parser.add_argument("--device", metavar="NAME")
    parser.add_argument("--under", metavar="COMMAND", default="")
    parser.add_argument("--cpu-code", metavar="NAME")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    wrong = problems(parser.parse_args(words[:end]), words[end + 1 :])
    print("".join(f"error: {problem}\n" for problem in wrong), end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
