"""Limits, read from folders that look like proc and sys."""

from __future__ import annotations

from pathlib import Path

from llamabox.machine import Limits, limits
from unit.fake_machine import machine

_GIB = 1 << 30
_MEMORY = f"MemTotal: {16 * _GIB >> 10} kB\nMemAvailable: {12 * _GIB >> 10} kB\n"
_PROCESS = """\
Limit                     Soft Limit           Hard Limit           Units
Max open files            4096                 1048576              files
Max locked memory         {locked}              unlimited            bytes
"""


def test_of_a_group_in_a_group(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": _MEMORY,
            "proc/self/limits": _PROCESS.format(locked="8388608"),
            "proc/self/cgroup": "0::/box/inner\n",
            "sys/fs/cgroup/box/memory.max": f"{4 * _GIB}\n",
            "sys/fs/cgroup/box/memory.current": f"{_GIB}\n",
            "sys/fs/cgroup/box/inner/memory.max": "max\n",
            "sys/fs/cgroup/box/inner/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/box/cpu.max": "max 100000\n",
            "sys/fs/cgroup/box/pids.max": "512\n",
        },
    )
    assert limits(8, root) == Limits(
        memory_total_bytes=16 * _GIB,
        memory_available_bytes=3 * _GIB,
        memory_limit_bytes=4 * _GIB,
        n_cpus=8,
        cpu_quota=1.5,
        open_files=4096,
        locked_memory_bytes=8 << 20,
        n_tasks=512,
    )


def test_of_the_older_kind_of_groups(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": _MEMORY,
            "proc/self/cgroup": "5:cpu,cpuacct:/box\n4:memory:/box\n3:pids:/box\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "1\n",
            "sys/fs/cgroup/pids/box/pids.max": "64\n",
        },
    )
    found = limits(4, root)
    assert (found.cpu_quota, found.memory_limit_bytes, found.n_tasks) == (2.0, None, 64)


def test_no_limits(tmp_path: Path) -> None:
    found = limits(4, machine(tmp_path, {"proc/self/limits": _PROCESS.format(locked="unlimited")}))
    assert found == Limits(
        memory_total_bytes=None,
        memory_available_bytes=None,
        memory_limit_bytes=None,
        n_cpus=4,
        cpu_quota=None,
        open_files=4096,
        locked_memory_bytes=None,
        n_tasks=None,
    )
