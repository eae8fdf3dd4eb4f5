"""What is concluded: one broken or unused set-up each, and its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from llamabox.cpu_variant import Processor
from llamabox.diagnosis import ADVICE, BROKEN, Facts, Probe, findings
from llamabox.hardware import KINDS, Accelerator, Hardware
from llamabox.machine import Limits

_GIB = 1 << 30
_BY_NAME = {kind.name: kind for kind in KINDS}
_CPU = {"name": "CPU", "is_gpu": False}
_GPU = {"name": "CUDA0", "is_gpu": True}

FACTS = Facts(
    version="1.0",
    python="3.12",
    system="Linux",
    processor=Processor("A CPU", "x86_64", "haswell"),
    limits=Limits(
        memory_total_bytes=16 * _GIB,
        memory_available_bytes=8 * _GIB,
        memory_limit_bytes=None,
        n_cpus=8,
        cpu_quota=None,
        open_files=65536,
        locked_memory_bytes=None,
        n_tasks=None,
    ),
    hardware=Hardware(),
    probe=Probe({"backends": "loadable"}, [], [_CPU]),
)


def _probe(*plugins: Mapping[str, Any], backends: str = "loadable", gpu: bool = False) -> Probe:
    return Probe({"backends": backends}, plugins, [_GPU, _CPU] if gpu else [_CPU])


def _plugin(state: str, backend: str = "cuda", **facts: object) -> dict[str, Any]:
    return {"state": state, "backend": backend, "facts": {"package": "llamabox-x", **facts}}


def _seen(name: str = "NVIDIA GPU", **changes: Any) -> Hardware:
    node = ("/dev/nvidia0",) if _BY_NAME[name].nodes else ()
    whole = Accelerator(_BY_NAME[name], 1, node, node, "/usr/lib/libdriver.so", 580)
    vulkan = changes.pop("vulkan_loader", None)
    return Hardware((replace(whole, **changes),), vulkan)


def _told(**changes: Any) -> list[tuple[str, str]]:
    return [(found.level, found.text) for found in findings(replace(FACTS, **changes))]


def test_nothing_is_said_where_all_is_well() -> None:
    assert _told() == []
    assert _told(probe=_probe(_plugin("loaded"), gpu=True), hardware=_seen()) == []
    # Vulkan drives it, too.
    assert _told(probe=_probe(_plugin("loaded", "vulkan"), gpu=True), hardware=_seen()) == []
    assert _told(probe=_probe(backends="built in", gpu=True), hardware=_seen()) == []


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (_seen(), 'an NVIDIA GPU is not used: pip install "llamabox[cuda13]"'),
        (_seen(driver_version=550), 'pip install "llamabox[cuda12]"'),
        (_seen(driver_version=470), "its driver, 470, is too old; update it to 525 or newer"),
        (_seen(nodes=(), usable_nodes=()), "it has no device file; its driver is not installed"),
        (_seen(usable_nodes=()), "this user may not open /dev/nvidia0"),
        (_seen(driver=None), "libcuda.so of its driver was not found; with it, pip install"),
        (_seen("AMD GPU"), 'an AMD GPU is not used: pip install "llamabox[rocm]"'),
        (_seen("AMD GPU", driver=None, vulkan_loader="/v"), 'pip install "llamabox[vulkan]"'),
        (_seen("Intel GPU"), 'an Intel GPU is not used: pip install "llamabox[sycl]"'),
        (
            _seen("Ascend NPU"),
            'pip install "llamabox[cann-910b]" or pip install "llamabox[cann-310p]"',
        ),
        (_seen("Moore Threads GPU"), 'a Moore Threads GPU is not used: pip install "llamabox[musa'),
        (_seen("HYGON DCU"), 'a HYGON DCU is not used: pip install "llamabox[dtk]"'),
    ],
)
def test_a_device_that_is_not_used_comes_with_what_to_install(
    hardware: Hardware, words: str
) -> None:
    ((level, text),) = _told(hardware=hardware)
    assert level == ADVICE
    assert words in text


def test_a_build_of_ones_own_is_told_how_to_compile() -> None:
    ((level, text),) = _told(probe=_probe(backends="built in"), hardware=_seen())
    assert level == ADVICE and "cmake.define.GGML_CUDA=ON" in text
    hardware = _seen("AMD GPU", driver=None, vulkan_loader="/v")
    ((_, text),) = _told(probe=_probe(backends="built in"), hardware=hardware)
    assert "cmake.define.GGML_VULKAN=ON" in text


@pytest.mark.parametrize(
    ("plugin", "level", "words"),
    [
        (_plugin("left out", reason="x 1 goes with llamabox 1"), BROKEN, "x 1 goes with llamabox"),
        (
            _plugin("cannot be loaded", reason="no libcuda.so.1", needs="a driver"),
            BROKEN,
            "llamabox-x cannot be loaded: no libcuda.so.1; it needs a driver",
        ),
        (_plugin("finds no device", needs="a GPU"), ADVICE, "llamabox-x finds no device; it needs"),
    ],
)
def test_a_package_that_does_not_work(plugin: dict[str, Any], level: str, words: str) -> None:
    ((found, text),) = _told(probe=_probe(plugin), hardware=_seen())
    assert found == level
    assert words in text


def test_a_core_that_cannot_be_asked_is_broken() -> None:
    ((level, text),) = _told(probe=None, failure="it was ended by signal 11: x", hardware=_seen())
    assert level == BROKEN
    assert text.endswith("cannot be asked for its devices: it was ended by signal 11: x")


def test_no_code_for_this_processor_is_broken() -> None:
    ((level, text),) = _told(probe=Probe({"backends": "loadable"}, [], []))
    assert level == BROKEN and "no CPU device" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"open_files": 256}, "256 open files are few connections; raise ulimit -n"),
        ({"cpu_quota": 2.5}, "grants 2.5 of 8 CPUs; more threads than that wait for each other:"),
        ({"cpu_quota": 0.5}, "--threads 1"),
        ({"memory_available_bytes": 300 << 20}, "300 MiB of memory are available"),
    ],
)
def test_limits_that_are_low(changes: dict[str, Any], words: str) -> None:
    ((level, text),) = _told(limits=replace(FACTS.limits, **changes))
    assert level == ADVICE
    assert words in text


def test_what_is_broken_comes_first() -> None:
    limits = replace(FACTS.limits, open_files=256)
    levels = [level for level, _ in _told(limits=limits, probe=None, hardware=_seen())]
    assert levels == [BROKEN, ADVICE]
