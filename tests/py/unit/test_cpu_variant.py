"""Which CPU library a processor gets, and that the table is that of the pinned sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llamabox.cpu_variant import ARM_VARIANTS, X86_VARIANTS, best_variant, processor
from unit.fake_machine import machine

_ROOT = Path(__file__).parents[3]
_HASWELL = "sse4_2 avx f16c fma avx2 bmi2"
_AVX512 = f"{_HASWELL} avx512f avx512cd avx512vl avx512dq avx512bw"
_ZEN4 = f"{_AVX512} avx512vbmi avx512_vnni avx512_bf16"


@pytest.mark.parametrize(
    ("flags", "variant"),
    [
        ("sse sse2", "x64"),
        ("sse4_2", "sse42"),
        ("sse4_2 avx", "sandybridge"),
        (_HASWELL, "haswell"),
        (f"{_HASWELL} avx_vnni", "alderlake"),
        # One of the five parts of AVX-512 is missing.
        (f"{_HASWELL} avx512f avx512cd avx512vl avx512dq", "haswell"),
        (_AVX512, "skylakex"),
        (f"{_AVX512} avx512vbmi", "cannonlake"),
        (f"{_AVX512} avx512_vnni", "cascadelake"),
        (_ZEN4, "zen4"),
        (f"{_ZEN4} amx_tile amx_int8", "sapphirerapids"),
    ],
)
def test_of_an_x86_processor(flags: str, variant: str) -> None:
    assert best_variant("x86_64", frozenset(flags.split())) == variant


@pytest.mark.parametrize(
    ("flags", "variant"),
    [
        ("fp asimd", "armv8.0_1"),
        ("asimddp", "armv8.2_1"),
        ("asimddp asimdhp", "armv8.2_2"),
        ("asimddp asimdhp sve i8mm", "armv8.6_1"),
        ("asimddp asimdhp sve i8mm sve2 sme", "armv9.2_2"),
    ],
)
def test_of_an_arm_processor(flags: str, variant: str) -> None:
    assert best_variant("aarch64", frozenset(flags.split())) == variant


def test_other_processors_have_none() -> None:
    assert best_variant("riscv64", frozenset()) is None


def test_what_the_system_says(tmp_path: Path) -> None:
    text = f"processor\t: 0\nmodel name\t: A CPU  \nflags\t\t: {_HASWELL}\n\nmodel name\t: B\n"
    found = processor("x86_64", machine(tmp_path, {"proc/cpuinfo": text}))
    assert (found.model, found.architecture, found.variant) == ("A CPU", "x86_64", "haswell")


def test_a_system_that_says_nothing(tmp_path: Path) -> None:
    found = processor("x86_64", tmp_path)
    assert (found.model, found.variant) == ("", None)


def _ggml_sources() -> Path | None:
    """The CMake file of the ggml that a build in this tree used."""
    for cache in sorted(_ROOT.glob("build/*/CMakeCache.txt")):
        found = re.search(r"^ggml_SOURCE_DIR:STATIC=(.+)$", cache.read_text(), re.MULTILINE)
        if found and (Path(found[1]) / "src/CMakeLists.txt").is_file():
            return Path(found[1]) / "src/CMakeLists.txt"
    return None


@pytest.mark.skipif(_ggml_sources() is None, reason="nothing was built with ggml here")
def test_the_tables_are_those_of_the_pinned_sources() -> None:
    path = _ggml_sources()
    assert path is not None
    rows = re.findall(
        r"ggml_add_cpu_backend_variant\(([\w.]+)((?: +\w+)*) *\)", path.read_text(encoding="utf-8")
    )
    built = {name: set(features.split()) for name, features in rows}
    for variants in (X86_VARIANTS, ARM_VARIANTS):
        assert {name: built[name] for name in variants} == {
            name: set(features.split()) for name, features in variants.items()
        }
    known = {*X86_VARIANTS, *ARM_VARIANTS}
    others = ("android_", "apple_", "power", "z1", "arch15", "riscv64_")
    assert {name for name in built if not name.startswith(others)} == known
