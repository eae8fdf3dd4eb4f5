"""The page of sample pictures is what tools/make_image_samples.py writes."""

from __future__ import annotations

import pytest
from PIL import Image

from make_image_samples import GAP, PAGE, ROOT, ROWS, SHOWN, Row, page

_DOCS = ROOT / "docs"
_MOST_BYTES = 300_000


def _path(row: Row) -> str:
    return str(_DOCS / "images" / f"{row.name}.png")


def test_the_page_is_the_written_one() -> None:
    assert (_DOCS / PAGE).read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_strip_has_its_pictures(row: Row) -> None:
    with Image.open(_path(row)) as strip:
        assert strip.size == (row.n_pictures * (SHOWN + GAP) - GAP, SHOWN)
        shown = [
            strip.crop((at, 0, at + SHOWN, SHOWN)).tobytes()
            for at in range(0, strip.width, SHOWN + GAP)
        ]
    # Whatever a row changes can be seen.
    assert len(set(shown)) == row.n_pictures


def test_pictures_are_small_and_all_shown() -> None:
    found = {path.name: path.stat().st_size for path in (_DOCS / "images").iterdir()}
    assert set(found) == {f"{row.name}.png" for row in ROWS}
    assert sum(found.values()) < _MOST_BYTES
