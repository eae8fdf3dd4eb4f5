"""A sample of what tools/check_compat proves in full: a row switched off fails its test."""

from __future__ import annotations

import faulthandler
import hashlib
import subprocess
import sys

import pytest

from compat_mutation import TIMEOUT_S
from compat_table import ROOT, SPEC

N_SAMPLE = 3
_ALL_S = 3600
_TOOLS = ROOT / "tools"
# Other rows whenever the table changes.
SEED = int(hashlib.sha256((SPEC / "compatibility.tsv").read_bytes()).hexdigest()[:8], 16)
# A row whose named test has nothing to do with it.
_WRONG = """
from compat_mutation import run_tests, verdict
from compat_table import Row

test = "tests/py/unit/test_restart_policy.py::test_the_delay_doubles_up_to_a_minute"
assert run_tests([test])[0] == 0
print(verdict(Row("flag", "--temp", "proved", test, "")))
"""


def run(*words: str) -> str:
    """What a Python process with these words prints; it must end well."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=_TOOLS,
        capture_output=True,
        text=True,
        timeout=4 * TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_sample_of_the_rows_is_proved() -> None:
    printed = run("compat_mutation.py", "--seed", str(SEED), "--sample", str(N_SAMPLE))
    assert printed == f"{N_SAMPLE} rows, 0 without proof\n"


@pytest.mark.full
def test_every_row_is_proved() -> None:
    """Takes about ten minutes, more than pytest is told to wait for a test."""
    faulthandler.cancel_dump_traceback_later()
    command = [sys.executable, "compat_mutation.py"]
    done = subprocess.run(
        command, cwd=_TOOLS, capture_output=True, text=True, timeout=_ALL_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_row_with_a_test_of_something_else_is_found() -> None:
    assert run("-c", _WRONG) == "passes without it\n"
