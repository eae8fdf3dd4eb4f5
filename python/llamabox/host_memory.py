"""How much of this machine's memory the process may still take."""

from __future__ import annotations

import re
from pathlib import Path

from llamabox.system_files import text_of

_MIB = 1 << 20
_MAX_CACHE_BYTES = 8 << 30
_CACHE_SHARE = 4
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)


def available_bytes(root: Path = Path("/")) -> int:
    """What is available: of the machine, and within the limit of each control group above the
    process. 0 where the system does not say. ``root`` is where proc and sys are mounted.
    """
    found = _AVAILABLE.search(text_of(root / "proc/meminfo"))
    free = int(found[1]) * 1024 if found else 0
    for folder in group_folders(root, "memory"):
        limit = text_of(folder / "memory.max").strip()
        used = text_of(folder / "memory.current").strip()
        if not limit:
            limit = text_of(folder / "memory.limit_in_bytes").strip()
            used = text_of(folder / "memory.usage_in_bytes").strip()
        if limit.isdigit() and used.isdigit():
            free = min(free, max(0, int(limit) - int(used)))
    return free


def default_cache_mib(n_available: int) -> int:
    """RAM for what KV has no room for: a quarter of what there is, 8 GiB at most."""
    return min(_MAX_CACHE_BYTES, n_available // _CACHE_SHARE) // _MIB


def group_folders(root: Path, controller: str) -> list[Path]:
    """The folders of the process's control groups (both versions) that may limit something, up to
    the roots.
    """
    folders = []
    for line in text_of(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / controllers
        group = base / path.lstrip("/")
        folders += [group, *(parent for parent in group.parents if parent.is_relative_to(base))]
    return folders
