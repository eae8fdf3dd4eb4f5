"""The table of docs/backends.md, for the tests that compare it with what makes the packages."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

_PAGE = Path(__file__).parents[3] / "docs" / "backends.md"


class Row(NamedTuple):
    """A line of docs/backends.md."""

    backend: str
    platform: str
    devices: str
    presets: list[str]
    packages: list[str]
    state: str


@cache
def rows() -> list[Row]:
    page = _PAGE.read_text(encoding="utf-8")
    found = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and "/" in cells[1]:
            presets, packages = (re.findall(r"`([^`]+)`", cell) for cell in cells[3:5])
            found.append(Row(*cells[:3], presets, packages, cells[5]))
    return found
