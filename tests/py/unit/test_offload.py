"""What is said of layers and devices, on plans and lists of devices that are made up."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum

import pytest

from llamabox.config import ServerConfig
from llamabox.offload import report, warn_without_device

_MIB = 1 << 20
Outcome = Enum("Outcome", "UNMEASURED FITS REDUCED FIXED UNSOLVED")


@dataclass(frozen=True)
class Room:
    name: str
    free_bytes: int
    asked_bytes: int
    given_bytes: int
    spare_bytes: int = 1024 * _MIB


@dataclass(frozen=True)
class Plan:
    outcome: Outcome
    devices: list[Room] = field(default_factory=list)
    n_layers_asked: int = 33
    n_layers_given: int = 33
    n_layers_cut: int = 0
    n_ctx: int = 8192


@dataclass(frozen=True)
class Device:
    is_gpu: bool


def _lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, dict[str, object]]]:
    return [(record.levelno, record.__dict__["fields"]) for record in caplog.records]


def test_a_plan_that_fits_is_told_with_each_device(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rooms = [Room(f"CUDA{i}", 24000 * _MIB, 9000 * _MIB, 9000 * _MIB) for i in range(2)]
    report(Plan(Outcome.FITS, rooms))
    (level, whole), *each = _lines(caplog)
    assert level == logging.INFO
    assert whole == {"layers_asked": 33, "layers_given": 33, "ctx_size": 8192}
    numbers = {"free_mib": 24000, "asked_mib": 9000, "given_mib": 9000}
    assert each == [(logging.INFO, {"device": f"CUDA{i}", **numbers}) for i in range(2)]


def test_fewer_layers_are_a_warning_with_the_reason_and_the_context_as_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    small = Room("CUDA0", 8000 * _MIB, 9000 * _MIB, 6500 * _MIB)
    large = Room("CUDA1", 24000 * _MIB, 9000 * _MIB, 9000 * _MIB)
    report(Plan(Outcome.REDUCED, [small, large], n_layers_given=21, n_layers_cut=4))
    (level, said), *_ = _lines(caplog)
    assert level == logging.WARNING
    assert (said["layers_asked"], said["layers_given"], said["ctx_size"]) == (33, 21, 8192)
    assert said["layers_in_part"] == 4
    assert said["reason"] == (
        "CUDA0 has 8000 MiB free of the 9000 that are needed, and 1024 must stay free"
    )
    assert "--ctx-size" in str(said["hint"])


@pytest.mark.parametrize(
    ("outcome", "hint"), [(Outcome.FIXED, "--tensor-split"), (Outcome.UNSOLVED, "--gpu-layers")]
)
def test_what_cannot_be_helped_is_a_warning_that_names_options(
    caplog: pytest.LogCaptureFixture, outcome: Outcome, hint: str
) -> None:
    report(Plan(outcome, [Room("CUDA0", 8000 * _MIB, 9000 * _MIB, 9000 * _MIB, spare_bytes=0)]))
    (level, said), *_ = _lines(caplog)
    assert level == logging.WARNING
    assert said["reason"] == "CUDA0 has 8000 MiB free of the 9000 that are needed"
    assert hint in str(said["hint"])


def test_nothing_is_said_where_nothing_was_measured(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    report(Plan(Outcome.UNMEASURED))
    assert not caplog.records


_GPU = [Device(is_gpu=True), Device(is_gpu=False)]
_CPU = [Device(is_gpu=False)]
_DRAFT = {"draft__model_path": "d.gguf", "draft__n_gpu_layers": 9}


@pytest.mark.parametrize(
    ("settings", "devices", "flags"),
    [
        ({"model__n_gpu_layers": 20}, _CPU, ["--gpu-layers"]),
        ({"model__n_gpu_layers": 20}, _GPU, []),
        ({"model__n_gpu_layers": 20, "placement__devices": ()}, _GPU, ["--gpu-layers"]),
        ({"model__n_gpu_layers": None}, _CPU, []),
        ({"model__n_gpu_layers": 0}, _CPU, []),
        (_DRAFT, _CPU, ["--gpu-layers-draft"]),
        (_DRAFT, _GPU, []),
        ({**_DRAFT, "draft__n_max": 0}, _CPU, []),
        ({"model__n_gpu_layers": 1, **_DRAFT}, _CPU, ["--gpu-layers", "--gpu-layers-draft"]),
    ],
)
def test_layers_that_were_asked_for_and_have_nowhere_to_go_are_a_warning(
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, object],
    devices: list[Device],
    flags: list[str],
) -> None:
    warn_without_device(ServerConfig().replace(**settings), lambda: devices)
    lines = _lines(caplog)
    assert [said["flag"] for _, said in lines] == flags
    assert {level for level, _ in lines} <= {logging.WARNING}


def test_devices_are_not_asked_about_without_need() -> None:
    def never() -> list[Device]:
        raise AssertionError

    warn_without_device(ServerConfig(), never)
