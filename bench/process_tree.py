"""What a process and its descendants use, read from /proc (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Sums over the processes of a tree, in MiB. Pages shared by several are shared out."""

    pss_mib: float
    anonymous_mib: float  # the part that no file backs
    n_processes: int


def tree(root: int) -> list[int]:
    """The process and all its descendants that live."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name, in brackets, may itself hold spaces and brackets.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return [pid for pid in found if (PROC / str(pid)).exists()]


def memory(root: int) -> Memory:
    """Proportional set size of the tree."""
    totals: dict[str, int] = defaultdict(int)
    pids = tree(root)
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
                name, size = line.split()[:2]
                totals[name] += int(size)
    return Memory(totals["Pss:"] / 1024, totals["Pss_Anon:"] / 1024, len(pids))


def cpu_s(root: int) -> float:
    """CPU time of all living threads of the tree, in seconds, exact to the nanosecond."""
    return sum(thread_cpu_s(pid, int(task)) for pid in tree(root) for task in _threads(pid))


def thread_cpu_s(pid: int, thread: int) -> float:
    """CPU time of one thread; 0.0 when it has ended."""
    with contextlib.suppress(OSError):
        text = (PROC / str(pid) / "task" / str(thread) / "schedstat").read_text()
        return int(text.split()[0]) / 1e9
    return 0.0


def _threads(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(PROC / str(pid) / "task")
    return []


def kill(pids: list[int]) -> None:
    """End processes at once; those that have ended are ignored."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
