"""Every sampler with every schedule at few steps, and every strength of an edit: a refusal that
names the field, or a picture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llamabox.errors import InvalidArgumentError
from llamabox.image_names import SAMPLERS, SCHEDULES
from real_images import BLUE, RED, BareEngine, config_of, is_near, make_files, mean_color

pytestmark = [pytest.mark.image_build, pytest.mark.full]

STEPS = (1, 2, 4)
# Of the tiny model's family; each for the steps at which it is refused.
REFUSED = {"ays": STEPS, "gits": (1,), "karras": (1,), "exponential": (1,)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEngine]:
    engine = BareEngine(config_of(make_files(tmp_path_factory.mktemp("image-model"))))
    yield engine
    engine.close()


def is_picture(made: bytes) -> bool:
    """Numbers that are none would all become one shade of grey; the even colour that was asked for
    is what some samplers arrive at."""
    n_colors = len({made[at : at + 3] for at in range(0, len(made), 3)})
    return n_colors > 1 or is_near(mean_color(made), RED, within=12)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_and_schedule_gives_a_picture_or_a_400(
    engine: BareEngine, sampler: str
) -> None:
    for schedule in SCHEDULES:
        for steps in STEPS:
            fields = {"sampler": sampler, "schedule": schedule, "steps": steps}
            if steps in REFUSED.get(schedule, ()):
                with pytest.raises(InvalidArgumentError) as refusal:
                    engine.make(**fields)
                assert refusal.value.param == "schedule"
            else:
                assert is_picture(engine.make(**fields)), fields


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_strength_gives_a_picture(engine: BareEngine, sampler: str) -> None:
    blue = engine.plain(BLUE)
    for strength in (0.0, 0.05, 0.5, 1.0):
        for steps in STEPS:
            fields = {"sampler": sampler, "strength": strength, "steps": steps}
            made = engine.make(init=blue, **fields)
            assert len(made) == 64 * 64 * 3, fields
            assert strength < 1 or is_picture(made), fields
