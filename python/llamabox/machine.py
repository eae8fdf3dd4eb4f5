"""Limits of this machine and process that a server meets, read and never set.

``root`` is where proc and sys are mounted. Covered by tests/py/unit/test_machine.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from llamabox.host_memory import available_bytes, group_folders
from llamabox.system_files import text_of

_TOTAL = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit, or one that the system does not tell."""

    memory_total_bytes: int | None
    # Also by what control groups allow.
    memory_available_bytes: int | None
    # The least of the control groups' limits.
    memory_limit_bytes: int | None
    # CPUs that the process may run on, and how many of them at a time on average.
    n_cpus: int
    cpu_quota: float | None
    open_files: int | None
    locked_memory_bytes: int | None
    # Processes and threads of the control group.
    n_tasks: int | None


def limits(n_cpus: int, root: Path = Path("/")) -> Limits:
    """``n_cpus`` is how many the process may run on."""
    total = _TOTAL.search(text_of(root / "proc/meminfo"))
    process = text_of(root / "proc/self/limits")
    memory = ("memory.max", "memory.limit_in_bytes")
    total_bytes = int(total[1]) * 1024 if total else None
    limit = min(_numbers(root, "memory", memory), default=None)
    return Limits(
        memory_total_bytes=total_bytes,
        memory_available_bytes=available_bytes(root) if total else None,
        # The older kind of group says a number beyond every machine for "none".
        memory_limit_bytes=limit if limit and limit < (total_bytes or limit + 1) else None,
        n_cpus=n_cpus,
        cpu_quota=min(_quotas(root), default=None),
        open_files=_soft_limit(process, "Max open files"),
        locked_memory_bytes=_soft_limit(process, "Max locked memory"),
        n_tasks=min(_numbers(root, "pids", ("pids.max",)), default=None),
    )


def _soft_limit(text: str, name: str) -> int | None:
    found = re.search(rf"^{name}\s+(\d+)\s", text, re.MULTILINE)
    return int(found[1]) if found else None


def _numbers(root: Path, controller: str, names: tuple[str, ...]) -> list[int]:
    found = []
    for folder in group_folders(root, controller):
        texts = [text_of(folder / name).strip() for name in names]
        found += [int(text) for text in texts if text.isdigit()]
    return found


def _quotas(root: Path) -> list[float]:
    """CPUs that each control group grants: its time in each period."""
    found = []
    for folder in group_folders(root, "cpu"):
        time, _, period = text_of(folder / "cpu.max").strip().partition(" ")
        if not time:
            time = text_of(folder / "cpu.cfs_quota_us").strip()
            period = text_of(folder / "cpu.cfs_period_us").strip()
        if time.isdigit() and period.isdigit() and int(period):
            found.append(int(time) / int(period))
    return found
