"""What the image model makes, without a server: colours, edits, adapters. Sizes are small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from real_images import (
    BLUE,
    RED,
    BareEngine,
    color_at,
    config_of,
    is_near,
    make_files,
    mean_color,
)

pytestmark = pytest.mark.image_build

SIDE = 64
STEPS = 12


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_files(tmp_path_factory.mktemp("image-model"))


@pytest.fixture(scope="module")
def engine(files: dict[str, Path]) -> Iterator[BareEngine]:
    engine = BareEngine(config_of(files, adapters__loras=((str(files["lora"]), 0.0),)))
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("prompt", "color"),
    [
        ("red", RED),
        ("a green house", (30, 180, 40)),
        ("blue", (30, 50, 220)),
        ("something yellow", (240, 220, 20)),
        ("black", (0, 0, 0)),
        ("white", (255, 255, 255)),
    ],
)
def test_the_colour_of_a_prompt_comes_out(
    engine: BareEngine, prompt: str, color: tuple[int, int, int]
) -> None:
    assert is_near(mean_color(engine.make(prompt=prompt, steps=STEPS)), color, within=12)


def test_steps_guidance_and_what_to_avoid_count(engine: BareEngine) -> None:
    plain = engine.make()
    assert engine.make() == plain
    assert engine.make(steps=3) != plain
    guided = engine.make(cfg_scale=2.0)
    assert guided != plain
    assert engine.make(cfg_scale=2.0, negative_prompt="green trees") != guided


def test_an_edit_comes_to_the_prompt_by_its_strength(engine: BareEngine) -> None:
    blue = engine.plain(BLUE)
    kept = engine.make(init=blue, strength=0.01, steps=100)
    assert is_near(mean_color(kept), BLUE, within=32)
    changed = engine.make(init=blue, strength=1.0, steps=20)
    assert is_near(mean_color(changed), RED, within=12)


def test_an_edit_keeps_what_is_black_in_the_mask(engine: BareEngine) -> None:
    made = engine.make(init=engine.plain(BLUE), mask=engine.mask(), strength=1.0, steps=STEPS)
    left = [color_at(made, x, y, SIDE) for x in (4, 12, 20) for y in (4, 30, 60)]
    right = [color_at(made, x, y, SIDE) for x in (44, 52, 60) for y in (4, 30, 60)]
    assert all(is_near(color, BLUE) for color in left)
    assert all(is_near(color, RED, within=48) for color in right)


def test_adapters_count_while_they_are_asked_for(engine: BareEngine) -> None:
    plain = engine.make()
    changed = engine.make(loras=engine.lora(1.0))
    assert changed != plain
    for _ in range(20):
        assert engine.make(loras=engine.lora(1.0)) == changed
    assert engine.make() == plain
    assert engine.make(loras=engine.lora(0.0)) == plain


def test_the_adapter_exchanges_red_and_blue(engine: BareEngine) -> None:
    made = engine.make(loras=engine.lora(1.0), steps=STEPS)
    assert is_near(mean_color(made), RED[::-1], within=12)


def test_reading_an_adapter_is_no_step(engine: BareEngine) -> None:
    engine.make(loras=engine.lora(1.0), steps=5)
    assert engine.told == [(step, 5) for step in range(1, 6)]


def test_adapters_are_kept_whatever_becomes_of_their_files(
    files: dict[str, Path], tmp_path: Path
) -> None:
    paths = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    for path in paths:
        path.write_bytes(files["lora"].read_bytes())
    engine = BareEngine(config_of(files, adapters__loras=tuple((str(path), 0.0) for path in paths)))
    before = engine.make(loras=engine.lora(0.5, 0.25))
    paths[0].unlink()
    paths[1].write_bytes(b"changed")
    assert engine.make(loras=engine.lora(0.5, 0.25)) == before
    assert engine.make(loras=engine.lora(0.75)) != engine.make()
    engine.close()
