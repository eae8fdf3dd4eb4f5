"""Libraries for glibc 2.28, linked on a newer Linux, for wheels with the tag manylinux_2_28.

What a compiler makes names functions of the C library; which version of each is meant is decided
by the library that is linked. So stand-ins of 2.28 are linked, which zig makes (pip install
ziglang), and what newer headers call besides is in old_glibc.c. libstdc++ becomes a part of each
library: that of such systems lacks what C++20 calls.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "2.28"
_STAND_INS = {
    "libc.so.6": "",
    "libm.so.6": "libm.so",
    "libpthread.so.0": "libpthread.so",
    "libdl.so.2": "libdl.so",
    "librt.so.1": "librt.so",
    "libld.so.2": "",
}
_ADDED = Path(__file__).with_suffix(".c")


def manylinux_tag() -> str:
    """The tag of a wheel whose libraries were linked so."""
    return f"manylinux_{VERSION.replace('.', '_')}_{platform.machine()}"


def link_options(folder: Path) -> list[str]:
    """Make the stand-ins in ``folder`` unless they are there; return options for cmake."""
    if not (folder / "libc.so").is_file():
        _make(folder)
    flags = f"-L{folder} -static-libstdc++ -Wl,--exclude-libs,ALL"
    return [f"-DCMAKE_{kind}_LINKER_FLAGS={flags}" for kind in ("SHARED", "MODULE")]


def _make(folder: Path) -> None:
    cache = folder / "zig"
    cache.mkdir(parents=True, exist_ok=True)
    source = folder / "nothing.c"
    source.write_text("int main(void) { return 0; }\n")
    target = f"{platform.machine()}-linux-gnu.{VERSION}"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, str(source)]
    command += ["-o", str(folder / "nothing"), "-lpthread", "-ldl", "-lm", "-lrt"]
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
    subprocess.run(command, check=True, env={**os.environ, **caches})
    for name, alias in _STAND_INS.items():
        shutil.copy(_only(cache, name), folder / name)
        if alias:
            (folder / alias).unlink(missing_ok=True)
            (folder / alias).symlink_to(name)
    shutil.copy(_only(cache, "libc_nonshared.a"), folder)
    added = folder / "old_glibc.o"
    flags = ["-O2", "-fPIC", "-D_GNU_SOURCE", "-Wall", "-Werror"]
    subprocess.run(["cc", *flags, "-c", str(_ADDED), "-o", str(added)], check=True)
    archive = folder / "libold_glibc.a"
    archive.unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", str(archive), str(added)], check=True)
    others = " ".join(str(folder / name) for name in _STAND_INS if name != "libc.so.6")
    parts = f"{archive} {folder / 'libc.so.6'} {folder / 'libc_nonshared.a'}"
    (folder / "libc.so").write_text(f"GROUP ( {parts} AS_NEEDED ( {others} ) )\n")


def _only(cache: Path, name: str) -> Path:
    found = sorted(cache.rglob(name))
    if not found:
        raise SystemExit(f"error: zig made no {name} of glibc {VERSION}")
    return found[0]


def newer_names(library: Path) -> set[str]:
    """What a library calls of this machine's glibc that the stand-ins do not have.

    The linker leaves such names without a version; on an older system nothing has them.
    """
    wanted = {name for name in _names(library, "--undefined-only") if "@" not in name}
    system: set[str] = set()
    for name in ("libc.so.6", "libm.so.6"):
        answer = subprocess.run(
            ["cc", f"-print-file-name={name}"], check=True, capture_output=True, text=True
        )
        here = _names(Path(answer.stdout.strip()), "--defined-only")
        system |= {each.partition("@")[0] for each in here}
    return wanted & system


def _names(library: Path, which: str) -> set[str]:
    command = ["nm", "--dynamic", which, "--with-symbol-versions", str(library)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in listed.splitlines() if line}
