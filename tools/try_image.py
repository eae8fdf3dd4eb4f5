"""Build the image of deploy/Dockerfile from the wheels in dist/, start it and print an answer.

    tools/try_image.py [EXTRA]          with docker or podman
    tools/try_image.py vulkan --system "libvulkan1 mesa-vulkan-drivers"

The container is started as deploy/README.md says: it can write nothing but /tmp. Ends with 1 when
it runs as root or gives no answer.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from first_answer import HOST, LOG, STOP_SECONDS, answer, free_port, wait_until_ready

ROOT = Path(__file__).resolve().parent.parent
NAME = "llamabox-tried-out"
START_SECONDS = 120


def engine() -> str | None:
    """What builds and runs images here."""
    return shutil.which("docker") or shutil.which("podman")


def python_of_wheels() -> str | None:
    """The Python that the base wheel of dist/ is for."""
    names = [wheel.name for wheel in (ROOT / "dist").glob("llamabox-*-manylinux*.whl")]
    found = [re.search(r"-cp(3)(\d+)-", name) for name in names]
    return next((f"{each[1]}.{each[2]}" for each in found if each), None)


def build_command(program: str, python: str, extra: str, system: str) -> list[str]:
    given = {"PYTHON": python, "EXTRA": extra, "SYSTEM": system}
    words = [word for name in given for word in ("--build-arg", f"{name}={given[name]}")]
    return [program, "build", "-f", "deploy/Dockerfile", "-t", NAME, *words, "."]


def run_command(program: str, port: int) -> list[str]:
    words = ["--rm", "--name", NAME, "--read-only", "--tmpfs", "/tmp"]  # noqa: S108
    return [program, "run", *words, "--publish", f"{HOST}:{port}:8080", NAME]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("extra", nargs="?", default="")
    parser.add_argument("--system", metavar="PACKAGES", default="")
    given = parser.parse_args()
    program, python = engine(), python_of_wheels()
    if program is None or python is None:
        print("error: this needs docker or podman, and a base wheel in dist/")
        return 1
    subprocess.run(build_command(program, python, given.extra, given.system), check=True, cwd=ROOT)
    port = free_port()
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("wb") as log:
        server = subprocess.Popen(run_command(program, port), stdout=log, stderr=log)
    try:
        wait_until_ready(server, port, START_SECONDS)
        user = subprocess.run(
            [program, "exec", NAME, "id", "-u"], check=True, capture_output=True, text=True
        ).stdout.strip()
        text = "".join(answer(port))
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)
    print(f"user {user}: {text}")
    return 0 if text and user != "0" else 1


if __name__ == "__main__":
    sys.exit(main())
