"""``llama-box doctor [--json]``: what this machine has for the server, and what is wrong with it.

Needs no model and changes nothing. Exit code 1 when something is broken. Covered by
tests/py/unit/test_doctor.py and tests/py/api/test_doctor.py.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from llamabox.cpu_variant import processor
from llamabox.diagnosis import BROKEN, Facts, Finding, Probe, findings
from llamabox.hardware import Accelerator, hardware
from llamabox.machine import Limits, limits
from llamabox.supervisor import worker_environment

PROBE_COMMAND = (sys.executable, "-P", "-m", "llamabox.device_probe")
USAGE = "usage: llama-box doctor [--json]\n"

_PROBE_TIMEOUT_S = 120
_INDENT = 11


def main(words: Sequence[str]) -> int:
    """Run with the words after ``doctor`` and return the exit code."""
    if set(words) - {"--json"}:
        sys.stderr.write(USAGE)
        return 1
    facts = examine()
    found = findings(facts)
    if words:
        told = asdict(facts) | {"findings": [asdict(finding) for finding in found]}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        sys.stdout.write(as_text(facts, found))
    return int(any(finding.level == BROKEN for finding in found))


def examine() -> Facts:
    """Ask the system and, in a process of its own, the compute core."""
    probe, failure = ask_core(PROBE_COMMAND)
    return Facts(
        version=version("llamabox"),
        python=platform.python_version(),
        system=platform.platform(),
        processor=processor(platform.machine()),
        limits=limits(_n_cpus()),
        hardware=hardware(os.environ, lambda node: os.access(node, os.R_OK | os.W_OK)),
        probe=probe,
        failure=failure,
    )


def ask_core(command: Sequence[str]) -> tuple[Probe | None, str | None]:
    """What the process prints, or why it did not."""
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_PROBE_TIMEOUT_S,
            env=worker_environment(),
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_PROBE_TIMEOUT_S} s"
    if done.returncode != 0:
        *_, last = done.stderr.strip().splitlines() or ["no error was written"]
        return None, f"{_ending(done.returncode)}: {last}"
    # A driver may have printed something before.
    said = json.loads(done.stdout.splitlines()[-1])
    return Probe(said["build"], said["plugins"], said["devices"]), None


def _ending(code: int) -> str:
    return f"it ended with code {code}" if code > 0 else f"it was ended by signal {-code}"


def _n_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def as_text(facts: Facts, found: Sequence[Finding]) -> str:
    """One fact on a line, its name before it; what follows from them at the end."""
    lines = [
        *_rows("llama-box", [_own(facts)]),
        *_rows("python", [f"{facts.python}, {facts.system}"]),
        *_rows("processor", [_cpu(facts)]),
        *_rows("memory", [_memory(facts.limits)]),
        *_rows("limits", [_limits(facts.limits)]),
        *_rows("devices", [_device(d) for d in facts.probe.devices] if facts.probe else []),
        *_rows("hardware", [_accelerator(a) for a in facts.hardware.accelerators]),
        *_rows("drivers", [a.driver for a in facts.hardware.accelerators if a.driver]),
        *_rows("vulkan", [facts.hardware.vulkan_loader] if facts.hardware.vulkan_loader else []),
        *_rows("packages", [_plugin(p) for p in facts.probe.plugins] if facts.probe else []),
        *_rows("settings", [f"{k}={v}" for k, v in facts.hardware.settings.items()]),
        "",
    ]
    for finding in found:
        lines += _rows(finding.level, [finding.text])
    if not any(finding.level == BROKEN for finding in found):
        lines.append("nothing is broken")
    return "\n".join(lines) + "\n"


def _rows(name: str, values: Sequence[str]) -> list[str]:
    """No line where there is nothing; the name before the first only."""
    return [f"{name if i == 0 else '':<{_INDENT}}{value}" for i, value in enumerate(values)]


def _own(facts: Facts) -> str:
    if facts.probe is None:
        return facts.version
    build = facts.probe.build
    return (
        f"{facts.version}, llama.cpp {build['llama_cpp_build']}, ggml {build['ggml_version']},"
        f" backends {build['backends']}"
    )


def _cpu(facts: Facts) -> str:
    cpu = facts.processor
    code = f", the base package's code for {cpu.variant}" if cpu.variant else ""
    return f"{cpu.model or 'unknown'} ({cpu.architecture}){code}"


def _memory(limits: Limits) -> str:
    shown = f"{_gib(limits.memory_available_bytes)} available of {_gib(limits.memory_total_bytes)}"
    if limits.memory_limit_bytes is None:
        return shown
    return f"{shown}, the control group allows {_gib(limits.memory_limit_bytes)}"


def _limits(limits: Limits) -> str:
    locked = limits.locked_memory_bytes
    quota = "" if limits.cpu_quota is None else f" at {limits.cpu_quota:g} of their time"
    return ", ".join(
        (
            f"{limits.n_cpus} CPUs{quota}",
            f"{_any(limits.open_files)} open files",
            f"{'any' if locked is None else f'{locked >> 10} KiB of'} locked memory",
            f"{_any(limits.n_tasks)} threads",
        )
    )


def _device(device: Mapping[str, Any]) -> str:
    total, free = device["memory_total_bytes"] >> 20, device["memory_free_bytes"] >> 20
    return f"{device['name']}: {device['description']} ({total} MiB, {free} MiB free)"


def _accelerator(accelerator: Accelerator) -> str:
    nodes = f" ({', '.join(accelerator.nodes)})" if accelerator.nodes else ""
    number = accelerator.driver_version
    driver = "" if number is None else f", driver {number}"
    return f"{accelerator.n_devices} {accelerator.kind.name}{nodes}{driver}"


def _plugin(plugin: Mapping[str, Any]) -> str:
    told = plugin["facts"]
    package = told.get("package", "a package")
    return f"{package} {told.get('version', '')}".strip() + f": {plugin['state']}"


def _gib(n_bytes: int | None) -> str:
    return "unknown" if n_bytes is None else f"{n_bytes / (1 << 30):.1f} GiB"


def _any(number: int | None) -> str:
    return "any number of" if number is None else str(number)
