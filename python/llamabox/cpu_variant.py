"""Which of the CPU libraries of the base package a processor gets.

They are built for lists of features; the one whose features are all there and count most is taken,
as ggml does it. Covered by tests/py/unit/test_cpu_variant.py, which compares the tables with the
pinned sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Features by rank: one counts more than all before it together. Those of the second number are
# what Linux calls them; each must be there.
_X86: Mapping[str, tuple[int, str]] = {
    "FMA": (0, "fma"),
    "F16C": (1, "f16c"),
    "SSE42": (2, "sse4_2"),
    "BMI2": (3, "bmi2"),
    "AVX": (4, "avx"),
    "AVX2": (5, "avx2"),
    "AVX_VNNI": (6, "avx_vnni"),
    "AVX512": (7, "avx512f avx512cd avx512vl avx512dq avx512bw"),
    "AVX512_VBMI": (8, "avx512vbmi"),
    "AVX512_BF16": (9, "avx512_bf16"),
    "AVX512_VNNI": (10, "avx512_vnni"),
    "AMX_INT8": (11, "amx_int8"),
}
_ARM: Mapping[str, tuple[int, str]] = {
    "DOTPROD": (1, "asimddp"),
    "FP16_VECTOR_ARITHMETIC": (2, "asimdhp"),
    "SVE": (3, "sve"),
    "MATMUL_INT8": (4, "i8mm"),
    "SVE2": (5, "sve2"),
    "SME": (6, "sme"),
}

_AVX2 = "SSE42 AVX F16C FMA AVX2 BMI2"
_AVX512 = f"{_AVX2} AVX512"
_ARMV8_2 = "DOTPROD FP16_VECTOR_ARITHMETIC"

X86_VARIANTS: Mapping[str, str] = {
    "x64": "",
    "sse42": "SSE42",
    "sandybridge": "SSE42 AVX",
    "ivybridge": "SSE42 AVX F16C",
    "piledriver": "SSE42 AVX F16C FMA",
    "haswell": _AVX2,
    "skylakex": _AVX512,
    "cannonlake": f"{_AVX512} AVX512_VBMI",
    "cascadelake": f"{_AVX512} AVX512_VNNI",
    "icelake": f"{_AVX512} AVX512_VBMI AVX512_VNNI",
    "cooperlake": f"{_AVX512} AVX512_VNNI AVX512_BF16",
    "zen4": f"{_AVX512} AVX512_VBMI AVX512_VNNI AVX512_BF16",
    "alderlake": f"{_AVX2} AVX_VNNI",
    "sapphirerapids": f"{_AVX512} AVX512_VBMI AVX512_VNNI AVX512_BF16 AMX_TILE AMX_INT8",
}
ARM_VARIANTS: Mapping[str, str] = {
    "armv8.0_1": "",
    "armv8.2_1": "DOTPROD",
    "armv8.2_2": _ARMV8_2,
    "armv8.2_3": f"{_ARMV8_2} SVE",
    "armv8.6_1": f"{_ARMV8_2} SVE MATMUL_INT8",
    "armv8.6_2": f"{_ARMV8_2} SVE MATMUL_INT8 SVE2",
    "armv9.2_1": f"{_ARMV8_2} SVE MATMUL_INT8 SME",
    "armv9.2_2": f"{_ARMV8_2} SVE MATMUL_INT8 SVE2 SME",
}

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_FLAGS = re.compile(r"^(?:flags|Features)\s*:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Processor:
    """What the system says of the processor; texts are empty where it says nothing."""

    model: str
    architecture: str
    # The CPU library of the base package; None where the system does not list features.
    variant: str | None


def processor(machine: str, root: Path = Path("/")) -> Processor:
    """``machine`` is the architecture as the system names it, ``root`` where proc is mounted."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    model, flags = _MODEL.search(text), _FLAGS.search(text)
    variant = None if flags is None else best_variant(machine, frozenset(flags[1].split()))
    return Processor(model[1].strip() if model else "", machine, variant)


def best_variant(machine: str, flags: frozenset[str]) -> str | None:
    """The library for a processor with these flags; None for another architecture."""
    if machine in ("x86_64", "AMD64"):
        return _best(X86_VARIANTS, _X86, flags)
    if machine in ("aarch64", "arm64"):
        return _best(ARM_VARIANTS, _ARM, flags)
    return None


def _best(
    variants: Mapping[str, str], ranks: Mapping[str, tuple[int, str]], flags: frozenset[str]
) -> str:
    def score(features: str) -> int:
        # AMX_TILE comes with AMX_INT8 and counts nothing by itself.
        known = [ranks[feature] for feature in features.split() if feature in ranks]
        if not all(flags.issuperset(names.split()) for _, names in known):
            return -1
        return sum(1 << rank for rank, _ in known)

    return max(variants, key=lambda name: score(variants[name]))
