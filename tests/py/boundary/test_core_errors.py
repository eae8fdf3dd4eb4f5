"""Errors of the core as Python exceptions."""

from __future__ import annotations

from typing import Any

import pytest

from fake_core import core, core_engine, generate
from llamabox import errors


def test_a_full_queue_refuses() -> None:
    engine = core_engine(n_slots=1, n_queue=2, step_us=20_000)
    engine.start()
    # One that runs, two that wait, one for the moment before the first is admitted.
    with pytest.raises(errors.QueueFullError) as caught:
        _submit_many(engine, 4)
    engine.stop()
    assert caught.value.param is None
    assert str(caught.value) == caught.value.message != ""


def _submit_many(engine: Any, count: int) -> None:
    for _ in range(count):
        engine.submit(generate("hi", 2000))


def test_an_engine_that_does_not_run_refuses() -> None:
    engine = core_engine()
    with pytest.raises(errors.UnavailableError):
        engine.submit(generate())


def test_parameters_are_refused_by_name() -> None:
    models = core.load_models(core.FakeModelParams())
    with pytest.raises(errors.InvalidArgumentError, match="n_slots is 0") as caught:
        core.Engine(models, core.EngineParams(n_slots=0))
    assert caught.value.param == "n_slots"


@pytest.mark.parametrize(
    "fields",
    [{"unknown": 1}, {"temperature": "hot"}, {"top_k": 1.5}, {"top_k": 2**40}, {"seed": -1}],
)
def test_values_are_typed_and_keyword_only(fields: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="incompatible constructor arguments"):
        core.SamplingParams(**fields)
    with pytest.raises(TypeError, match="incompatible constructor arguments"):
        core.TextPrompt("positional")


def test_values_cannot_be_changed() -> None:
    sampling = core.SamplingParams(temperature=1)
    with pytest.raises(AttributeError):
        sampling.temperature = 2


def test_every_class_is_an_engine_error() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) == 11
    assert all(issubclass(one, errors.LlamaboxError) for one in classes)
