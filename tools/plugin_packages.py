"""Which preset of CMakePresets.json makes which package, and what the packages of backends need.

docs/backends.md shows the same by row of the specification; tests/py/unit/test_backends.py compares
the two, the presets and the extras of pyproject.toml.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """One package, and the extra of ``llamabox`` that installs it."""

    # The extra; the package is "llamabox-" and this.
    extra: str
    # Presets that make its library; one for each system where they differ.
    presets: tuple[str, ...]
    # Name of ggml's backend, as in the preset's LLAMABOX_PLUGIN.
    backend: str
    # What the machine must have that no package brings.
    needs: str
    # Packages with libraries that it links, from PyPI.
    requires: tuple[str, ...] = ()
    # Libraries of those and of the driver, which a repaired wheel must not hold.
    foreign: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the distribution."""
        return f"llamabox-{self.extra}"

    @property
    def module(self) -> str:
        """The folder in site-packages."""
        return self.name.replace("-", "_")


_NVIDIA = "NVIDIA's driver, 525.60.13 or newer on Linux, 528.33 or newer on Windows"
_CUDA12 = ("libcuda.so.1", "libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12")
_CUDA13 = ("libcuda.so.1", "libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13")
_ROCM = ("libamdhip64.so.6", "libhipblas.so.2", "librocblas.so.4")
_DTK = ("libgalaxyhip.so.5", "libamdhip64.so.6", "libhipblas.so.2", "librocblas.so.4")
_SYCL = (
    "libsycl.so.8",
    "libOpenCL.so.1",
    "libmkl_sycl_blas.so.5",
    "libdnnl.so.3",
    "libze_loader.so.1",
)
_VULKAN = ("libvulkan.so.1",)
_CANN = ("libascendcl.so", "libnnopbase.so", "libopapi.so", "libacl_op_compiler.so")
_MUSA = ("libmusa.so.4", "libmusart.so.4", "libmublas.so.4")

PACKAGES = (
    Package(
        "cuda13", ("cuda-13.0",), "cuda", "NVIDIA's driver for CUDA 13, 580 or newer",
        ("nvidia-cuda-runtime>=13.0,<14", "nvidia-cublas>=13.0,<14"), _CUDA13,
    ),
    Package(
        "cuda12", ("cuda-12.8",), "cuda", _NVIDIA,
        ("nvidia-cuda-runtime-cu12>=12.8,<13", "nvidia-cublas-cu12>=12.8,<13"), _CUDA12,
    ),
    Package(
        "cuda124", ("cuda-12.4",), "cuda", _NVIDIA,
        ("nvidia-cuda-runtime-cu12>=12.4,<13", "nvidia-cublas-cu12>=12.4,<13"), _CUDA12,
    ),
    Package("rocm", ("rocm-6.2", "rocm-6.2-windows"), "hip", "ROCm 6.2", (), _ROCM),
    Package("dtk", ("dtk-25.04",), "hip", "HYGON DTK 25.04", (), _DTK),
    Package(
        "sycl", ("sycl-2025.0", "sycl-2025.0-windows"), "sycl",
        "Intel's compute runtime for the GPU",
        ("intel-sycl-rt==2025.0.*", "onemkl-sycl-blas==2025.0.*"), _SYCL,
    ),
    Package("vulkan", ("vulkan-1.4",), "vulkan", "a Vulkan driver and loader", (), _VULKAN),
    Package("cann-910b", ("cann-8.1-910b",), "cann", "CANN 8.1", (), _CANN),
    Package("cann-310p", ("cann-8.1-310p",), "cann", "CANN 8.1", (), _CANN),
    Package("cann80-910b", ("cann-8.0-910b",), "cann", "CANN 8.0", (), _CANN),
    Package("cann80-310p", ("cann-8.0-310p",), "cann", "CANN 8.0", (), _CANN),
    Package("musa", ("musa-4.2",), "musa", "Moore Threads' driver and MUSA 4.2", (), _MUSA),
)  # fmt: skip

BY_EXTRA = {package.extra: package for package in PACKAGES}

OWN_LIBRARIES = ("libllamabox_ggml_base.so", "libllamabox_ggml.so")
"""Those of the base package, which is in memory before a plugin is loaded."""

_BASE_PRESETS = {
    "linux": "base-linux",
    "win-amd64": "base-windows-x86_64",
    "win-arm64": "base-windows-arm64",
    "macosx-arm64": "base-macos-arm64",
    "macosx-x86_64": "base-macos-x86_64",
}


def base_preset(platform: str) -> str:
    """The preset of a platform as sysconfig names it ("linux-x86_64", "macosx-13.0-arm64")."""
    system, *rest = platform.split("-")
    return _BASE_PRESETS[system if system == "linux" else f"{system}-{rest[-1]}"]
