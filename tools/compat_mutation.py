"""Proves tests/spec/compatibility.tsv: a row that is switched off must make its test fail.

    python tools/compat_mutation.py [--seed N --sample N] [WORD...]

Each named test must pass as things are; then it runs again once for each of its rows with that row
switched off (tests/mutation/sitecustomize.py) and must fail. WORDs keep the rows whose name holds
one of them; a sample is drawn among those. Prints one line per row that proves nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import re
import signal
import sys
import tempfile
from collections.abc import Sequence

from compat_table import PROVED, ROOT, Row, rows

VARIABLE = "LLAMABOX_TEST_MUTATION"
MUTATIONS = ROOT / "tests" / "mutation"
TIMEOUT_S = 300
# Imported once, before the forks: what costs every run of pytest the most time.
_PRELOADED = ("pytest", "openai", "uvloop", "llamabox.worker", "llamabox.model_loader")


def run_tests(tests: Sequence[str], mutation: str = "") -> tuple[int, str]:
    """pytest's exit code and output in a process of its own; the code is below 0 when it did not
    end in time or crashed."""
    for name in _PRELOADED:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
    sys.stdout.flush()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os._exit(_child(tests, mutation))
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode(errors="replace")


def _child(tests: Sequence[str], mutation: str) -> int:
    """Run pytest here, with one row switched off in this process and in those it starts."""
    signal.alarm(TIMEOUT_S if mutation else 4 * TIMEOUT_S)
    code = 99
    try:
        os.chdir(ROOT)
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [str(MUTATIONS), os.environ.get("PYTHONPATH", "")]
        )
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        os.environ[VARIABLE] = mutation
        where = MUTATIONS / "sitecustomize.py"
        spec = importlib.util.spec_from_file_location("compat_sitecustomize", where)
        assert spec is not None and spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        import pytest

        words = ["-q", "--tb=line", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin"]
        code = int(pytest.main([*words, *tests]))
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception as error:
        os.write(2, f"cannot run: {error!r}".encode())
    return code


def verdict(row: Row) -> str:
    """Empty when the row's test fails with the row switched off, else what happened."""
    code, output = run_tests([row.test], row.mutation)
    if code == 1 and re.search(r"\d+ (?:failed|error)", output):
        return ""
    if code == 0:
        return "passes without it"
    return f"exit code {code}: {output[-300:]}"


def broken(table: Sequence[Row]) -> list[str]:
    """What is wrong with these rows, one line each."""
    tests = sorted({row.test for row in table})
    code, output = run_tests(tests)
    if code != 0:
        return [f"tests fail as things are:\n{output[-4000:]}"]
    found = []
    for row in table:
        problem = verdict(row)
        if problem:
            found.append(f"{row.mutation}: {row.test}: {problem}")
            print(found[-1], flush=True)
    return found


def main(words: Sequence[str]) -> int:
    """Check the rows that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args(words)
    table = [row for row in rows() if row.state in PROVED]
    if options.words:
        table = [row for row in table if any(word in row.mutation for word in options.words)]
    if options.sample is not None:
        table = random.Random(options.seed).sample(table, options.sample)
    found = broken(table)
    print(f"{len(table)} rows, {len(found)} without proof", *found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
