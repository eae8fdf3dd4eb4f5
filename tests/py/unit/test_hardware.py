"""Accelerators and drivers, found in folders that look like dev, proc, sys and usr."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from llamabox.hardware import KINDS, Accelerator, Hardware, hardware
from unit.fake_machine import machine

_ROOT = Path(__file__).parents[3]
_DISPLAY = "0x030000\n"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


def _pci(*vendors: str, pci_class: str = _DISPLAY) -> dict[str, str]:
    files = {}
    for i, vendor in enumerate(vendors):
        files[f"sys/bus/pci/devices/{i}/vendor"] = f"{vendor}\n"
        files[f"sys/bus/pci/devices/{i}/class"] = pci_class
    return files


def _nvidia(version: str) -> dict[str, str]:
    line = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Tue\n"
    library = f"{_LIBRARIES}/libcuda.so.1"
    return {"dev/nvidia0": "", "proc/driver/nvidia/version": line, library: ""}


def _find(
    root: Path, files: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Hardware:
    return hardware(environment or {}, lambda node: node != "/dev/nvidia1", machine(root, files))


def _only(found: Hardware) -> Accelerator:
    (accelerator,) = found.accelerators
    return accelerator


@pytest.mark.parametrize(
    ("version", "extra"), [("580.65.06", "cuda13"), ("550.54.15", "cuda12"), ("470.1", None)]
)
def test_the_driver_decides_which_package_of_cuda(
    tmp_path: Path, version: str, extra: str | None
) -> None:
    found = _only(_find(tmp_path, {**_pci("0x10de", "0x10de"), **_nvidia(version)}))
    assert (found.kind.name, found.n_devices, found.extra) == ("NVIDIA GPU", 2, extra)
    assert found.driver == str(tmp_path / _LIBRARIES / "libcuda.so.1")
    assert found.driver_version == int(version.split(".")[0])


def test_the_open_module_and_the_librarys_name_tell_the_version_too(tmp_path: Path) -> None:
    line = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release\n"
    files = {"dev/nvidia0": "", "proc/driver/nvidia/version": line}
    assert _only(_find(tmp_path / "a", files)).driver_version == 580
    names = (f"{_LIBRARIES}/libcuda.so.1", f"{_LIBRARIES}/libcuda.so.535.104.05")
    found = _only(_find(tmp_path / "b", {"dev/nvidia0": "", **dict.fromkeys(names, "")}))
    assert (found.driver_version, found.extra) == (535, "cuda12")


def test_a_device_without_its_file_or_driver(tmp_path: Path) -> None:
    found = _only(_find(tmp_path, _pci("0x10de")))
    assert (found.nodes, found.driver, found.driver_version) == ((), None, None)


def test_device_files_where_the_bus_is_hidden(tmp_path: Path) -> None:
    found = _only(_find(tmp_path, {"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidiactl": ""}))
    assert found.n_devices == 2
    assert found.nodes == ("/dev/nvidia0", "/dev/nvidia1")
    assert found.usable_nodes == ("/dev/nvidia0",)


def test_one_device_file_of_two_makers(tmp_path: Path) -> None:
    hygon = {**_pci("0x1d94", pci_class="0x120000\n"), "dev/kfd": ""}
    assert _only(_find(tmp_path / "a", hygon)).kind.name == "HYGON DCU"
    assert _only(_find(tmp_path / "b", {"dev/kfd": ""})).kind.name == "AMD GPU"


def test_what_is_no_accelerator(tmp_path: Path) -> None:
    assert not _find(tmp_path, _pci("0x10de", "0x8086", pci_class="0x020000\n")).accelerators


def test_libraries_are_found_where_the_environment_says(tmp_path: Path) -> None:
    files = {**_pci("0x1002"), "opt/x/libamdhip64.so.6": "", "usr/lib64/libvulkan.so.1": ""}
    environment = {"LD_LIBRARY_PATH": ":/none:/opt/x", "HIP_VISIBLE_DEVICES": "1", "HOME": "/x"}
    found = _find(tmp_path, files, environment)
    assert _only(found).driver == str(tmp_path / "opt/x/libamdhip64.so.6")
    assert found.vulkan_loader == str(tmp_path / "usr/lib64/libvulkan.so.1")
    assert set(found.settings) == {"LD_LIBRARY_PATH", "HIP_VISIBLE_DEVICES"}


def test_a_machine_without_any(tmp_path: Path) -> None:
    assert _find(tmp_path, {}) == Hardware()


def test_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {extra for kind in KINDS for extra in kind.extras}
    assert named <= set(project["optional-dependencies"])
