"""Our pixels are those of upstream's own tool (tools/make_image_golden.py), whatever is asked.

The families with large sizes are in test_image_unets.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golden_images import farthest, is_processor_of_golden
from make_image_golden import CASES, Case, golden
from real_images import BareEngine, config_of, make_files

pytestmark = pytest.mark.image_build


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_files(tmp_path_factory.mktemp("image-model"))


def _engine(files: dict[str, Path], **fields: Any) -> Iterator[BareEngine]:
    config = config_of(files, adapters__loras=((str(files["lora"]), 0.0),), **fields)
    engine = BareEngine(config)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def tiny(files: dict[str, Path]) -> Iterator[BareEngine]:
    yield from _engine(files)


@pytest.fixture(scope="module")
def upscaling(files: dict[str, Path]) -> Iterator[BareEngine]:
    yield from _engine(files, images__upscale_model=str(files["upscaler"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pixels_are_those_of_the_tool(request: pytest.FixtureRequest, case: Case) -> None:
    # Kernels of another processor add in another order.
    allowed = 0 if is_processor_of_golden() else 1
    assert farthest(request.getfixturevalue(case.model), case) <= allowed


def test_golden_pictures_differ() -> None:
    """So that none of them is right whatever was asked."""
    pictures = [golden(case).tobytes() for case in CASES]
    assert len(set(pictures)) == len(CASES)
