"""What ``llama-box doctor`` concludes from what it found: pure functions from facts to sentences.

Covered by tests/py/unit/test_diagnosis.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llamabox.backend_plugins import State
from llamabox.cpu_variant import Processor
from llamabox.hardware import Accelerator, Hardware
from llamabox.machine import Limits

BROKEN = "broken"
ADVICE = "advice"

_FEW_FILES = 1024
_LITTLE_MEMORY_BYTES = 1 << 30

_CMAKE_SWITCHES = {
    "cuda": "GGML_CUDA", "hip": "GGML_HIP", "sycl": "GGML_SYCL", "cann": "GGML_CANN",
    "musa": "GGML_MUSA", "vulkan": "GGML_VULKAN",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence; ``BROKEN`` is what keeps a part from working, ``ADVICE`` the rest."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What the compute core said of itself and of this machine."""

    # ``_core.build_info()``.
    build: Mapping[str, str]
    # {"state", "backend", "facts"} of each package, see ``backend_plugins.Outcome``.
    plugins: Sequence[Mapping[str, Any]]
    # The fields of ``_core.Device``.
    devices: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was found."""

    version: str
    python: str
    system: str
    processor: Processor
    limits: Limits
    hardware: Hardware
    # None where the core could not be asked; then why.
    probe: Probe | None
    failure: str | None = None


def findings(facts: Facts) -> list[Finding]:
    """What is broken comes first."""
    found = [*_of_core(facts), *_of_plugins(facts), *_of_hardware(facts), *_of_limits(facts.limits)]
    return sorted(found, key=lambda finding: finding.level != BROKEN)


def _of_core(facts: Facts) -> Iterator[Finding]:
    if facts.probe is None:
        yield Finding(BROKEN, f"the compute core cannot be asked for its devices: {facts.failure}")
    elif all(device["is_gpu"] for device in facts.probe.devices):
        yield Finding(
            BROKEN,
            "no CPU device: the base package's libraries are missing or do not fit this processor;"
            " pip install --force-reinstall llamabox",
        )


def _of_plugins(facts: Facts) -> Iterator[Finding]:
    for plugin in facts.probe.plugins if facts.probe else ():
        told = plugin["facts"]
        if plugin["state"] == State.LEFT_OUT.value:
            yield Finding(BROKEN, f"a backend's package is left out: {told['reason']}")
        elif plugin["state"] == State.BROKEN.value:
            yield Finding(
                BROKEN,
                f"{told['package']} cannot be loaded: {told['reason']}; it needs {told['needs']}",
            )
        elif plugin["state"] == State.NO_DEVICE.value:
            yield Finding(ADVICE, f"{told['package']} finds no device; it needs {told['needs']}")


def _of_hardware(facts: Facts) -> Iterator[Finding]:
    if facts.probe is None:
        return
    installed = {plugin["backend"] for plugin in facts.probe.plugins}
    # Vulkan drives GPUs of any maker.
    served = {p["backend"] for p in facts.probe.plugins if p["state"] == State.LOADED.value}
    built_in = facts.probe.build["backends"] != "loadable"
    if built_in and any(device["is_gpu"] for device in facts.probe.devices):
        return
    for accelerator in facts.hardware.accelerators:
        backend = accelerator.kind.backend
        if backend in served or "vulkan" in served:
            continue
        if (lack := _lack(accelerator)) is not None:
            yield Finding(ADVICE, f"{_called(accelerator)} is not used: {lack}")
        elif backend not in installed:
            help_text = _remedy(accelerator, facts.hardware, built_in)
            yield Finding(ADVICE, f"{_called(accelerator)} is not used: {help_text}")


def _called(accelerator: Accelerator) -> str:
    name = accelerator.kind.name
    return f"{'an' if name[0] in 'AIN' else 'a'} {name}"


def _lack(accelerator: Accelerator) -> str | None:
    """What keeps every program from using it."""
    if accelerator.kind.nodes and not accelerator.nodes:
        return (
            "it has no device file; its driver is not installed, or this container was started"
            " without the device"
        )
    if accelerator.nodes and not accelerator.usable_nodes:
        return f"this user may not open {accelerator.nodes[0]}"
    if accelerator.extra is None:
        return f"its driver, {accelerator.driver_version}, is too old; update it to 525 or newer"
    return None


def _remedy(accelerator: Accelerator, hardware: Hardware, built_in: bool) -> str:
    has_driver = accelerator.driver is not None
    by_vulkan = not has_driver and hardware.vulkan_loader is not None
    if built_in:
        switch = _CMAKE_SWITCHES["vulkan" if by_vulkan else accelerator.kind.backend]
        return (
            "this llamabox was compiled with its backends in it and without one for it; install"
            f" llamabox from a wheel, or pip install . -C cmake.define.{switch}=ON"
        )
    if by_vulkan:
        return 'pip install "llamabox[vulkan]"'
    extras = [accelerator.extra] if accelerator.kind.backend == "cuda" else accelerator.kind.extras
    command = " or ".join(f'pip install "llamabox[{extra}]"' for extra in extras)
    if has_driver:
        return command
    return f"{accelerator.kind.driver.rstrip('*')} of its driver was not found; with it, {command}"


def _of_limits(limits: Limits) -> Iterator[Finding]:
    if limits.open_files is not None and limits.open_files < _FEW_FILES:
        yield Finding(
            ADVICE,
            f"{limits.open_files} open files are few connections; raise ulimit -n, or LimitNOFILE"
            " of the service",
        )
    if limits.cpu_quota is not None and limits.cpu_quota < limits.n_cpus:
        n_threads = max(1, int(limits.cpu_quota))
        yield Finding(
            ADVICE,
            f"the control group grants {limits.cpu_quota:g} of {limits.n_cpus} CPUs; more threads"
            f" than that wait for each other: --threads {n_threads}",
        )
    available = limits.memory_available_bytes
    if available is not None and available < _LITTLE_MEMORY_BYTES:
        yield Finding(ADVICE, f"{available >> 20} MiB of memory are available, few models fit")
