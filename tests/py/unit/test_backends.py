"""docs/backends.md, CMakePresets.json and the packages, against the table of the specification."""

from __future__ import annotations

import csv
import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from plugin_packages import PACKAGES, base_preset
from unit.backend_table import Row, rows

_ROOT = Path(__file__).parents[3]
_STATES = ("written", "configured", "built", "loaded", "ran", "ran on hardware", "dropped")
# Where the tables name devices by other words than the build system: the variable, and the words.
_MP = {"S80": "21", "S4000": "22"}
_HYGON = {"Z100": "gfx906", "Z100L": "gfx906", "K100": "gfx926"}


@cache
def presets() -> dict[str, dict[str, str]]:
    """The cache variables of each preset, those it inherits among them."""
    listed = json.loads((_ROOT / "CMakePresets.json").read_text())["configurePresets"]
    variables: dict[str, dict[str, str]] = {}
    for preset in listed:  # an inherited one stands before
        inherited = variables.get(preset.get("inherits", ""), {})
        variables[preset["name"]] = {**inherited, **preset.get("cacheVariables", {})}
    return variables


def _spec() -> list[dict[str, str]]:
    text = (_ROOT / "tests" / "spec" / "backends.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


def test_each_row_of_the_specification_has_a_line() -> None:
    spec = [(row["backend"], row["platform"], row["devices"] or "all") for row in _spec()]
    assert [(row.backend, row.platform, row.devices) for row in rows()] == spec
    assert len(spec) == 27


def test_a_system_that_is_too_old_is_said_to_be_dropped() -> None:
    too_old = {"CentOS 7": "2.17", "Ubuntu 18.04": "2.27"}
    for row, spec in zip(rows(), _spec(), strict=True):
        glibc = too_old.get(spec["built_on"])
        assert (f"glibc {glibc} is below 2.28" in row.state) == (glibc is not None), row


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.backend} {row.platform}")
def test_presets_and_packages_of_a_line_exist(row: Row) -> None:
    assert row.state.split(";")[0].split(" (")[0] in _STATES
    assert row.presets and row.packages
    if row.packages == ["llamabox"]:
        machine = row.platform.replace("amd64", "x86_64")
        system, _, machine = machine.partition("/")
        name = {
            "linux": f"linux-{machine}",
            "windows": {"x86_64": "win-amd64", "arm64": "win-arm64"}[machine],
            "darwin": f"macosx-13.0-{machine}",
        }[system]
        assert row.presets == [base_preset(name)]
        variables = presets()[row.presets[0]]
        assert variables["LLAMABOX_BACKEND_DL"] == variables["LLAMABOX_WHEEL"] == "ON"
        return
    made = {package.name: package for package in PACKAGES}
    for preset, name in zip(row.presets, row.packages, strict=True):
        assert preset in made[name].presets
        assert presets()[preset]["LLAMABOX_PLUGIN"] == made[name].backend


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.backend} {row.platform}")
def test_architectures_of_a_line_are_those_of_its_presets(row: Row) -> None:
    devices = row.devices.split()
    assert _built_for(row.presets) == _targets(row.backend.split()[0], devices)


def _targets(family: str, devices: list[str]) -> list[str]:
    """The devices of a row in the words of the build system."""
    if family == "CUDA":
        return [device.replace(".", "") for device in devices]
    if family == "MUSA":
        return sorted(_MP[device] for device in devices)
    if family == "DTK":
        return sorted({_HYGON[device] for device in devices})
    if family == "CANN":
        return [f"ascend{device}" for device in devices]
    return devices if family == "ROCm" else []


def _built_for(names: list[str]) -> list[str]:
    lists = ("CMAKE_CUDA_ARCHITECTURES", "GPU_TARGETS", "MUSA_ARCHITECTURES", "SOC_TYPE")
    found: list[str] = []
    for name in names:
        variables: dict[str, Any] = presets()[name]
        texts = [variables[key] for key in lists if key in variables]
        found += [part.removesuffix("-real") for text in texts for part in text.split(";")]
    return found


def test_apple_gets_metal_in_the_base_package() -> None:
    for preset in ("base-macos-arm64", "base-macos-x86_64"):
        assert presets()[preset]["GGML_METAL"] == "ON"
        assert presets()[preset]["GGML_METAL_EMBED_LIBRARY"] == "ON"


def test_no_preset_compiles_for_the_machine_that_builds() -> None:
    assert {variables["GGML_NATIVE"] for variables in presets().values()} == {"OFF"}


def test_every_plugin_preset_belongs_to_a_package() -> None:
    made = {name for package in PACKAGES for name in package.presets}
    assert {name for name, found in presets().items() if "LLAMABOX_PLUGIN" in found} == made


def test_extras_are_the_packages_at_our_version() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    extras = {p.extra: [f"{p.name}=={project['version']}"] for p in PACKAGES}
    extras["cuda"] = extras["cuda13"]
    assert project["optional-dependencies"] == extras
