"""How much memory may be taken: of the machine, and within the limits of control groups."""

from __future__ import annotations

from pathlib import Path

from llamabox.host_memory import available_bytes, default_cache_mib

GIB = 1 << 30


def machine(root: Path, available: int, groups: str, **files: int | str) -> Path:
    """A folder that looks like proc and sys; a key's double underscore is a slash."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:  {available >> 10} kB\n")
    (root / "proc/self/cgroup").write_text(groups)
    for name, value in files.items():
        folder, _, key = name.rpartition("__")
        path = root / "sys/fs/cgroup" / folder.replace("__", "/")
        path.mkdir(parents=True, exist_ok=True)
        (path / key.replace("_", ".", 1)).write_text(f"{value}\n")
    return root


def test_a_machine_without_groups(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path, 6 * GIB, "")) == 6 * GIB


def test_the_nearest_limit_counts(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        64 * GIB,
        "0::/box/inner\n",
        box__memory_max=4 * GIB,
        box__memory_current=1 * GIB,
        box__inner__memory_max="max",
        box__inner__memory_current=1 * GIB,
    )
    assert available_bytes(root) == 3 * GIB


def test_the_older_version_of_groups(tmp_path: Path) -> None:
    root = machine(tmp_path, 64 * GIB, "7:cpu:/x\n4:memory:/box\n")
    folder = root / "sys/fs/cgroup/memory/box"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{2 * GIB}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{GIB}\n")
    assert available_bytes(root) == GIB


def test_a_system_that_says_nothing(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) == 0


def test_a_quarter_of_it_up_to_eight_gib() -> None:
    assert default_cache_mib(4 * GIB) == 1024
    assert default_cache_mib(100 * GIB) == 8192
    assert default_cache_mib(0) == 0
