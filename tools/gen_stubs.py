"""Writes python/llamabox/_core.pyi from the built extension module.

    python tools/gen_stubs.py          write the file
    python tools/gen_stubs.py --check  exit 1 when the file differs from what would be written

The module is the one that ``import llamabox._core`` finds.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "python" / "llamabox" / "_core.pyi"
MODULE = "llamabox._core"

# What pybind11 cannot know: the class of these objects.
_CORRECTIONS = (
    ("def drain(self) -> list:", "def drain(self) -> list[Event]:"),
    ("def __init__(self, **kwargs) -> None:", "def __init__(self, **kwargs: typing.Any) -> None:"),
)
_IMPORT = "from llamabox.event import Event\n"


def generate() -> str:
    """Return the text of the stub; ends the program when a tool fails."""
    with tempfile.TemporaryDirectory() as folder:
        _run("pybind11_stubgen", MODULE, "--output-dir", folder,
             "--enum-class-locations", "FlashAttn:llamabox._core")  # fmt: skip
        stub = Path(folder) / "llamabox" / "_core.pyi"
        stub.write_text(_corrected(stub.read_text()))
        config = str(ROOT / "pyproject.toml")
        _run("ruff", "check", "--config", config, "--fix-only", "--quiet", "--select", "I,F,UP",
             str(stub))  # fmt: skip
        _run("ruff", "format", "--config", config, "--quiet", str(stub))
        return stub.read_text()


def _corrected(text: str) -> str:
    for found, wanted in _CORRECTIONS:
        if found not in text:
            raise SystemExit(f"gen_stubs: the stub no longer contains {found!r}")
        text = text.replace(found, wanted)
    return re.sub(r"^import typing\n", f"import typing\n\n{_IMPORT}", text, count=1, flags=re.M)


def _run(module: str, *arguments: str) -> None:
    """Run a tool; what it prints is shown only when it fails, since stubgen warns without end."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"gen_stubs: {module} failed\n{done.stdout}{done.stderr}")


def main() -> int:
    """Write or check the stub and return the exit code."""
    parser = argparse.ArgumentParser(description="write python/llamabox/_core.pyi")
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    wanted = generate()
    if not check:
        STUB.write_text(wanted)
        return 0
    found = STUB.read_text() if STUB.exists() else ""
    if found == wanted:
        return 0
    difference = difflib.unified_diff(
        found.splitlines(keepends=True), wanted.splitlines(keepends=True), str(STUB), "generated"
    )
    sys.stderr.writelines(difference)
    sys.stderr.write("gen_stubs: _core.pyi is out of date; run tools/gen_stubs.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
