"""The paths that no small model can take: a UNet with CLIP and VAE, ControlNet, inpainting.

Their files are made here, some gigabytes of random weights in the fixed sizes of SD1. What they
make means nothing, but it is equal to what upstream's own tool makes of them.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golden_images import farthest, is_processor_of_golden
from llamabox.config import ServerConfig
from llamabox.errors import UnsupportedError
from make_image_golden import UNET_CASES, Case
from real_images import BLUE, BareEngine

pytestmark = [pytest.mark.image_build, pytest.mark.full]

SIDE = 64
_WAIT_S = 120.0


def _engine(path: Path, control: Path | None = None) -> BareEngine:
    config = ServerConfig().replace(
        images__enabled=True,
        images__control_net_model=None if control is None else str(control),
        model__path=str(path),
        model__warmup=False,
        engine__n_threads=1,
    )
    return BareEngine(config)


def _served(factory: pytest.TempPathFactory, *parts: str) -> Iterator[BareEngine]:
    """An engine on these parts, and their room on the disk afterwards."""
    from make_unet_model import make_unet_model

    paths = list(make_unet_model(factory.mktemp("unet"), parts).values())
    engine = _engine(*paths)
    yield engine
    engine.close()
    for path in paths:
        path.unlink()


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEngine]:
    yield from _served(tmp_path_factory, "sd1", "control")


@pytest.fixture(scope="module")
def sd1(control: BareEngine) -> BareEngine:
    """A ControlNet counts only where a request has a picture for it."""
    return control


@pytest.fixture(scope="module")
def inpaint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEngine]:
    yield from _served(tmp_path_factory, "inpaint")


def _made(engine: BareEngine, **fields: Any) -> bytes:
    made = engine.make(SIDE, **{"steps": 1, **fields})
    # Numbers that are none would all become one colour.
    assert len(set(made)) > 8, fields
    return made


def _masked(engine: BareEngine, value: int) -> dict[str, Any]:
    mask = engine.core.Pixels(SIDE, SIDE, 1, bytes([value]) * SIDE**2)
    return {"init": engine.plain(BLUE, SIDE), "mask": mask, "strength": 1.0, "steps": 2}


def _hint(engine: BareEngine, side: int = SIDE) -> Any:
    """Black above, blue below."""
    half = side**2 // 2
    return engine.core.Pixels(side, side, 3, bytes(3 * half) + bytes(BLUE) * half)


@pytest.mark.parametrize("case", UNET_CASES, ids=lambda case: case.name)
def test_pixels_are_those_of_the_tool(request: pytest.FixtureRequest, case: Case) -> None:
    # Random weights let another processor's rounding grow.
    allowed = 0 if is_processor_of_golden() else 16
    assert farthest(request.getfixturevalue(case.model), case) <= allowed


def test_the_family_is_found_and_prompts_and_seeds_count(sd1: BareEngine) -> None:
    assert sd1.engine.info.family == "sd1"
    assert sd1.engine.info.has_control_net
    first = _made(sd1)
    assert _made(sd1) == first
    assert _made(sd1, prompt="a blue house by the sea") != first
    assert _made(sd1, seed=8) != first
    assert _made(sd1, cfg_scale=4.0) != first


def test_a_control_picture_counts_by_its_strength(control: BareEngine) -> None:
    plain = _made(control)
    guided = _made(control, control=_hint(control))
    assert guided != plain
    assert _made(control, control=control.plain(BLUE, SIDE)) != guided
    assert _made(control, control=_hint(control)) == guided
    assert _made(control, control=_hint(control), control_canny=True) not in (plain, guided)
    assert _made(control, control=_hint(control), control_strength=0.0) == plain
    assert _made(control) == plain


def test_a_cancelled_image_leaves_no_control_picture_behind(control: BareEngine) -> None:
    expected = _made(control, control=_hint(control))
    blue, side = control.plain(BLUE, 2 * SIDE), 2 * SIDE
    fields = {"prompt": "red", "sampler": "euler", "schedule": "default", "steps": 20}
    asked = control.core.ImageRequest(width=side, height=side, control=blue, **fields)
    number = control.engine.submit(asked)
    kinds = ["delta"]
    while kinds[-1] == "delta":
        assert select.select([control.engine.wake_fd()], [], [], _WAIT_S)[0]
        kinds += [event.kind for event in control.engine.drain()]
        control.engine.cancel(number)
    assert kinds[-1] == "done"
    assert _made(control, control=_hint(control)) == expected


def test_an_edit_keeps_what_is_black_in_the_mask(sd1: BareEngine) -> None:
    kept = _made(sd1, **_masked(sd1, 0))
    # The seed counts all the same: encoding draws from a distribution.
    assert _made(sd1, **_masked(sd1, 0), prompt="a blue tree") == kept
    painted = _made(sd1, **_masked(sd1, 255))
    assert painted != kept
    assert _made(sd1, **_masked(sd1, 255), prompt="a blue tree") != painted


def test_layers_are_skipped_by_transformers_only(sd1: BareEngine) -> None:
    skip = sd1.core.SkipLayers(scale=2.0, layers=[1])
    with pytest.raises(UnsupportedError, match="diffusion transformers"):
        _made(sd1, skip_layers=skip)


def test_an_inpainting_model_sees_mask_and_picture(inpaint: BareEngine) -> None:
    assert inpaint.engine.info.inpaints
    plain = _made(inpaint, steps=2)
    painted = _made(inpaint, **_masked(inpaint, 255))
    assert painted != plain
    assert _made(inpaint, **_masked(inpaint, 255)) == painted
    half = {**_masked(inpaint, 255), "mask": inpaint.mask(SIDE)}
    green = {**half, "init": inpaint.plain((30, 200, 40), SIDE)}
    assert _made(inpaint, **half) != _made(inpaint, **green)
