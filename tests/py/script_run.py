"""Runs the scripts of tools/ as a user would."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"


def run(
    script: str, *words: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """What a script prints, with nothing of the caller's settings in its environment."""
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        [TOOLS / script, *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**kept, **environment},
    )
