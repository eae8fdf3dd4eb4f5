"""The table of docs/compatibility.md is complete, and the tests it names exist."""

from __future__ import annotations

import subprocess
import sys

import pytest

from compat_table import EXISTING, PAGE, ROOT, STATES, Row, page, read_tsv, rows
from llamabox.api.image_routes import IMAGE_ROUTES
from llamabox.api.routes import MODEL_ROUTES

ROWS = rows()
ROUTES = (*MODEL_ROUTES, *IMAGE_ROUTES)
# What a command line is read into says nothing about its effect.
_PARSER_TESTS = ("unit/test_options.py", "unit/test_option_parser.py", "unit/test_config.py")


def _names(kind: str) -> list[str]:
    return [row.name for row in ROWS if row.kind == kind]


def test_every_option_has_a_row() -> None:
    assert _names("flag") == [row["names"].split()[-1] for row in read_tsv("flags.tsv")]


def test_every_endpoint_has_a_row() -> None:
    named = _names("endpoint")
    assert len(set(named)) == len(named)
    assert {f"{row['method']} {row['path']}" for row in read_tsv("endpoints.tsv")} <= set(named)
    assert {f"{route.method} {route.path}" for route in ROUTES} <= set(named)


def test_every_field_has_a_row() -> None:
    listed = [f"{row['method']} {row['path']} {row['field']}" for row in read_tsv("fields.tsv")]
    assert _names("field") == listed
    assert len(set(listed)) == len(listed)
    read = {f"{r.method} {r.path} {field.name}" for r in ROUTES for field in r.fields}
    assert read - set(listed) == set()


def test_what_is_read_is_proved_and_what_is_not_read_is_said() -> None:
    """No field is taken and then ignored, unless its row says so."""
    read = {f"{r.method} {r.path} {field.name}" for r in ROUTES for field in r.fields}
    state = {row.name: row.state for row in ROWS if row.kind == "field"}
    assert {state[name] for name in read} <= {"proved", "no meaning"}
    unread = {name: kept for name, kept in state.items() if name not in read}
    assert set(unread.values()) <= {"no meaning"}
    for name in (name for name in read if state[name] == "no meaning"):
        # A name of the model where no answer has one.
        assert name.startswith(("POST /apply-template ", "POST /embedding"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind} {row.name}")
def test_a_row_says_what_proves_it(row: Row) -> None:
    assert row.state in STATES
    assert row.point in ("", "setting")
    assert bool(row.test) == (row.state in EXISTING)
    assert not row.test.removeprefix("tests/py/").startswith(_PARSER_TESTS)


def test_every_named_test_exists() -> None:
    named = {row.test for row in ROWS if row.state in EXISTING}
    files = sorted({test.partition("::")[0] for test in named})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert named - set(done.stdout.splitlines()) == set()


def test_the_page_is_made_of_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(ROWS), "python tools/compat_table.py"
