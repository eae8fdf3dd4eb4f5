"""Options that no request could be answered with end the start, with one clear line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from box_process import TIMEOUT_S
from llamabox.models import DEMO_MODEL
from real_core import provide_core

_BASE = ["-m", str(DEMO_MODEL), "--port", "0", "-c", "512", "-np", "1", "-t", "1", "--no-warmup"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--grammar", "root ::= missing"], "--grammar: "),
        (["--grammar", 'root ::= "a'], "--grammar: "),
        (["--json-schema", '{"$ref": "#/nowhere"}'], "--json-schema: "),
        (["--logit-bias", "99999999+1"], "--logit-bias: "),
    ],
)
def test_the_start_ends(words: list[str], reason: str) -> None:
    provide_core()
    command = [sys.executable, "-m", "llamabox", *_BASE, *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if "level=error" in line]
    assert 'msg="cannot load the model"' in line
    assert f'reason="{reason}' in line
    assert "Traceback" not in ended.stderr
