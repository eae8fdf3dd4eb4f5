"""What is said of layers and devices before a model is loaded: what was asked for, what is done,
and why.

``_core.plan_offload`` measures and decides; the context is never made smaller. Covered by
tests/py/unit/test_offload.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from llamabox.config import ServerConfig
from llamabox.log import fields

_MIB = 1 << 20

# What is said of each outcome, and what would change it. Of the others nothing is known.
_OUTCOMES = {
    "FITS": (logging.INFO, "the devices hold every layer that was asked for", None),
    "REDUCED": (
        logging.WARNING,
        "the devices have no room for every layer, so the CPU computes the others",
        "a smaller --ctx-size, --cache-type-k q8_0 with --cache-type-v q8_0, or a model of fewer"
        " bits makes room for more",
    ),
    "FIXED": (
        logging.WARNING,
        "the devices have no room for what the options put there",
        "without --gpu-layers, --tensor-split and --override-tensor as many layers as fit are"
        " chosen",
    ),
    "UNSOLVED": (
        logging.WARNING,
        "the devices have no room for the model, and no part of it was found that fits",
        "--gpu-layers says how many layers they get",
    ),
}  # fmt: skip

_logger = logging.getLogger(__name__)


class Room(Protocol):
    """``_core.DeviceRoom``, bytes of one device."""

    @property
    def name(self) -> str: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def spare_bytes(self) -> int: ...
    @property
    def asked_bytes(self) -> int: ...
    @property
    def given_bytes(self) -> int: ...


class Outcome(Protocol):
    """``_core.Offload``."""

    @property
    def name(self) -> str: ...


class Plan(Protocol):
    """``_core.OffloadPlan``."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def n_layers_asked(self) -> int: ...
    @property
    def n_layers_given(self) -> int: ...
    @property
    def n_layers_cut(self) -> int: ...
    @property
    def n_ctx(self) -> int: ...
    @property
    def devices(self) -> Sequence[Room]: ...


class Device(Protocol):
    """``_core.Device``."""

    @property
    def is_gpu(self) -> bool: ...


def report(plan: Plan) -> None:
    """Log the plan: a line of its own for each device."""
    if plan.outcome.name not in _OUTCOMES:
        return
    level, text, hint = _OUTCOMES[plan.outcome.name]
    _logger.log(
        level,
        text,
        extra=fields(
            layers_asked=plan.n_layers_asked,
            layers_given=plan.n_layers_given,
            layers_in_part=plan.n_layers_cut or None,
            ctx_size=plan.n_ctx,
            reason="; ".join(_lacks(room) for room in plan.devices if not _has_room(room)) or None,
            hint=hint,
        ),
    )
    for room in plan.devices:
        _logger.info(
            "memory of a device",
            extra=fields(
                device=room.name,
                free_mib=room.free_bytes // _MIB,
                asked_mib=room.asked_bytes // _MIB,
                given_mib=room.given_bytes // _MIB,
            ),
        )


def warn_without_device(config: ServerConfig, devices: Callable[[], Iterable[Device]]) -> None:
    """Log a warning for each option that offloads layers where there is nothing to offload to."""
    wanted = [("--gpu-layers", config.model.n_gpu_layers, config.placement.devices)]
    if config.draft.is_on and config.draft.model_path is not None:
        wanted.append(("--gpu-layers-draft", config.draft.n_gpu_layers, config.draft.devices))
    for flag, n_layers, chosen in wanted:
        if not n_layers:
            continue
        if chosen == ():
            reason, hint = "the options leave no device", None
        elif not any(device.is_gpu for device in devices()):
            reason, hint = "no device was found", "llama-box doctor says what is missing"
        else:
            continue
        _logger.warning(
            "no layer can be offloaded, so the CPU computes all of them",
            extra=fields(flag=flag, layers=n_layers, reason=reason, hint=hint),
        )


def _has_room(room: Room) -> bool:
    return room.asked_bytes + room.spare_bytes <= room.free_bytes


def _lacks(room: Room) -> str:
    kept = f", and {room.spare_bytes // _MIB} must stay free" if room.spare_bytes else ""
    return (
        f"{room.name} has {room.free_bytes // _MIB} MiB free of the {room.asked_bytes // _MIB}"
        f" that are needed{kept}"
    )
