"""The table of docs/compatibility.md: which test proves which flag, endpoint and field.

python tools/compat_table.py          write docs/compatibility.md
python tools/compat_table.py --check  fail when it differs from tests/spec/compatibility.tsv
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "tests" / "spec"
PAGE = ROOT / "docs" / "compatibility.md"

PROVED = ("proved", "parameters")
"""States whose test must fail when the row is switched off."""
EXISTING = (*PROVED, "no effect")
"""States whose test must exist."""
STATES = {
    "proved": "the test fails when this row alone is switched off (`tools/check_compat`)",
    "parameters": "the same, but seen only in what llama.cpp is given: nothing shows on a machine"
    " without a GPU or in an answer",
    "no effect": "read for compatibility; the test shows that the help says so",
    "no meaning": "an OpenAI field that says nothing to this server; taken and not used",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of compatibility.tsv."""

    # "flag", "endpoint" or "field".
    kind: str
    # A flag's last spelling, "GET /health", or "POST /tokenize content".
    name: str
    state: str
    # A pytest node id; empty in states without a proof.
    test: str
    # What is switched off instead of the kind's own point: "setting" for a flag whose test makes
    # the settings without a command line.
    point: str

    @property
    def mutation(self) -> str:
        """The row as tests/mutation/sitecustomize.py reads it."""
        return f"{self.point or self.kind} {self.name}"


def read_tsv(name: str) -> list[dict[str, str]]:
    """The rows of a file of tests/spec; lines that begin with # are comments."""
    lines = (SPEC / name).read_text(encoding="ascii").splitlines()
    table = [line for line in lines if not line.startswith("#")]
    return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def rows() -> list[Row]:
    """All rows of the table."""
    return [Row(**{**row, "point": row["point"] or ""}) for row in read_tsv("compatibility.tsv")]


def page(table: Iterable[Row]) -> str:
    """The text of docs/compatibility.md."""
    table = list(table)
    lines = [
        "# Compatibility with llama-box",
        "",
        "Every option, endpoint and request field of the specification, with the test that proves"
        " it. Made by",
        "`tools/compat_table.py` from `tests/spec/compatibility.tsv`; `tools/check_compat` switches"
        " one row after the other",
        "off and expects its test to fail.",
        "",
        *(f"* **{state}**: {meaning}" for state, meaning in STATES.items()),
        "",
        "A field that no table names is ignored, as OpenAI's clients expect. `grammar` beside"
        " `tools` is a 400, as in",
        "llama-server: both would constrain the same answer. `response_format` and `json_schema`"
        " beside `tools` are about answers",
        "that are no call.",
    ]
    for kind, head in (("flag", "option"), ("endpoint", "endpoint")):
        lines += ["", f"## {head.capitalize()}s", "", f"| {head} | state | test |", "|---|---|---|"]
        lines += [
            f"| `{row.name}` | {row.state} | {_test(row.test)} |"
            for row in table
            if row.kind == kind
        ]
    lines += ["", "## Request fields", "", "One test with a case for each field stands once.", ""]
    lines += ["| endpoint | fields | state | test |", "|---|---|---|---|"]
    lines += _field_lines(row for row in table if row.kind == "field")
    return "\n".join(lines) + "\n"


def _field_lines(table: Iterable[Row]) -> list[str]:
    """A line for the fields of a route that share their state and test function."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in table:
        route, _, field = row.name.rpartition(" ")
        groups.setdefault((route, row.state, row.test.partition("[")[0]), []).append(f"`{field}`")
    return [
        f"| `{route}` | {', '.join(fields)} | {state} | {_test(test)} |"
        for (route, state, test), fields in groups.items()
    ]


def _test(test: str) -> str:
    return "`" + test.removeprefix("tests/py/") + "`" if test else "–"


def main(words: list[str]) -> int:
    """Write the page, or compare it."""
    text = page(rows())
    if words == ["--check"]:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        print("docs/compatibility.md differs from its table: python tools/compat_table.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
