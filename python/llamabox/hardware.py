"""Which accelerators Linux shows and which of their drivers are installed, by looking at files.

Nothing is loaded, since a driver that does not fit its device may end the process. ``root`` is
where dev, proc, sys and usr are. Covered by tests/py/unit/test_hardware.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llamabox.system_files import text_of

VULKAN_LOADER = "libvulkan.so.1"

_CLASSES = ("0x03", "0x12")
"""PCI classes of displays and of processing accelerators."""

_FOLDERS = (
    "usr/lib", "usr/lib64", "usr/lib/*-linux-gnu", "usr/local/lib", "usr/lib/wsl/lib",
    "usr/local/cuda/lib64", "usr/local/cuda/compat", "usr/local/nvidia/lib64", "opt/rocm/lib",
    "opt/dtk/lib", "opt/intel/oneapi/*/latest/lib", "usr/local/Ascend/*/latest/lib64",
    "usr/local/Ascend/driver/lib64/driver", "usr/local/musa/lib",
)  # fmt: skip

_CUDA_BY_DRIVER = ((580, "cuda13"), (525, "cuda12"))
"""The first driver that an extra of NVIDIA's works with, newest first."""

_DRIVER_VERSION = re.compile(r"Kernel Module\s+(?:for\s+\S+\s+)?(\d+)\.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of accelerators."""

    name: str
    # PCI vendor.
    vendor: str
    # Device files of its driver.
    nodes: tuple[str, ...]
    # A library that only its driver or toolkit brings; a pattern.
    driver: str
    # ggml's name of the backend, as in a plugin's description.
    backend: str
    extras: tuple[str, ...]


KINDS = (
    Kind("NVIDIA GPU", "0x10de", ("nvidia[0-9]*",), "libcuda.so*", "cuda", ("cuda13", "cuda12")),
    Kind("AMD GPU", "0x1002", ("kfd",), "libamdhip64.so*", "hip", ("rocm",)),
    Kind("Intel GPU", "0x8086", (), "libze_intel_gpu.so*", "sycl", ("sycl",)),
    Kind("Ascend NPU", "0x19e5", ("davinci[0-9]*",), "libascendcl.so*", "cann",
         ("cann-910b", "cann-310p")),
    Kind("Moore Threads GPU", "0x1ed5", ("mtgpu*",), "libmusa.so*", "musa", ("musa",)),
    Kind("HYGON DCU", "0x1d94", (), "libgalaxyhip.so*", "hip", ("dtk",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One family that this machine shows."""

    kind: Kind
    # Devices on the PCI bus, or device files where the bus is hidden, as in containers.
    n_devices: int
    # Device files that exist, and those that this process may open.
    nodes: tuple[str, ...]
    usable_nodes: tuple[str, ...]
    # Path of the driver's library; None where it was not found.
    driver: str | None
    # First number of the driver's version, where it tells.
    driver_version: int | None = None

    @property
    def extra(self) -> str | None:
        """What to install for it; None where its driver is too old for anything."""
        if self.kind.backend != "cuda" or self.driver_version is None:
            return self.kind.extras[0]
        fits = (extra for least, extra in _CUDA_BY_DRIVER if self.driver_version >= least)
        return next(fits, None)


@dataclass(frozen=True, slots=True)
class Hardware:
    """All of them, and the loader that any GPU can be used through."""

    accelerators: tuple[Accelerator, ...] = ()
    vulkan_loader: str | None = None
    # Variables that hide or order devices.
    settings: Mapping[str, str] = field(default_factory=dict)


_SETTINGS = (
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "ONEAPI_DEVICE_SELECTOR", "GGML_VK_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES",
    "MUSA_VISIBLE_DEVICES", "GGML_BACKEND_PATH", "LD_LIBRARY_PATH",
)  # fmt: skip


def hardware(
    environment: Mapping[str, str], may_open: Callable[[str], bool], root: Path = Path("/")
) -> Hardware:
    """``may_open`` says whether this process may use a device file."""
    pci = _pci_vendors(root)
    folders = _library_folders(root, environment.get("LD_LIBRARY_PATH", ""))
    found = []
    for kind in KINDS:
        nodes = _nodes(root, kind)
        # Where the bus is hidden there are device files still; AMD's is another maker's too.
        n_devices = pci.count(kind.vendor) or (0 if pci and "kfd" in kind.nodes else len(nodes))
        if n_devices:
            driver = _library(folders, kind.driver)
            version = _nvidia_version(root, driver) if kind.backend == "cuda" else None
            usable = tuple(node for node in nodes if may_open(node))
            found.append(Accelerator(kind, n_devices, nodes, usable, driver, version))
    settings = {name: environment[name] for name in _SETTINGS if name in environment}
    return Hardware(tuple(found), _library(folders, VULKAN_LOADER), settings)


def _nodes(root: Path, kind: Kind) -> tuple[str, ...]:
    found = [path for pattern in kind.nodes for path in sorted((root / "dev").glob(pattern))]
    return tuple(f"/dev/{path.name}" for path in found)


def _pci_vendors(root: Path) -> list[str]:
    vendors = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        if text_of(device / "class").startswith(_CLASSES):
            vendors.append(text_of(device / "vendor").strip())
    return vendors


def _library_folders(root: Path, search_path: str) -> list[Path]:
    named = [root / folder.lstrip("/") for folder in search_path.split(":") if folder]
    return named + [found for pattern in _FOLDERS for found in sorted(root.glob(pattern))]


def _library(folders: list[Path], pattern: str) -> str | None:
    for folder in folders:
        for path in sorted(folder.glob(pattern)):
            return str(path)
    return None


def _nvidia_version(root: Path, library: str | None) -> int | None:
    found = _DRIVER_VERSION.search(text_of(root / "proc/driver/nvidia/version"))
    if found is None and library is not None:
        names = [path.name for path in sorted(Path(library).parent.glob("libcuda.so.*.*"))]
        found = re.search(r"libcuda\.so\.(\d+)\.", " ".join(names))
    return int(found[1]) if found else None
