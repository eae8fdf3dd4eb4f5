"""Packages of backends: found without being imported, checked, loaded; and the wheels they are."""

from __future__ import annotations

import base64
import csv
import hashlib
import logging
import subprocess
import sys
import zipfile
from importlib.metadata import DistributionFinder, MetadataPathFinder
from pathlib import Path

import pytest

from llamabox import backend_plugins
from llamabox.backend_plugins import load_plugins
from llamabox.errors import LoadFailedError
from plugin_packages import BY_EXTRA
from plugin_wheel import own_version, strange_files, write_plugin_wheel

_SOURCE = "xllamacpp-1-abc"


class FakeCore:
    """A core that remembers what it was told to load."""

    def __init__(self, n_devices: int = 1, **build: str) -> None:
        self._build = {"ggml_source": _SOURCE, "backends": "loadable", **build}
        self._n_devices = n_devices
        self.broken: set[str] = set()
        self.loaded: list[str] = []

    def build_info(self) -> dict[str, str]:
        return self._build

    def load_backend(self, path: str) -> tuple[str, int]:
        name = Path(path).name
        if name in self.broken:
            raise LoadFailedError(f"{name}: libgone.so.1: cannot open shared object file")
        self.loaded.append(name)
        return "Fake", self._n_devices


class Site:
    """A folder of installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, extra: str, library: str = "", source: str = _SOURCE) -> None:
        """Make the wheel of a package around a file that is no library, and unpack it."""
        file = self.folder / "made" / (library or f"libggml-{extra}.so")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"no library")
        wheel = write_plugin_wheel(BY_EXTRA[extra], file, source, "any", self.folder / "made")
        zipfile.ZipFile(wheel).extractall(self.folder / "site")

    def names(self, core: FakeCore) -> list[str]:
        """Packages that work, in the order they were loaded."""
        context = DistributionFinder.Context(path=[str(self.folder / "site")])
        found = MetadataPathFinder.find_distributions(context)
        points = [point for each in found for point in each.entry_points]
        assert {point.group for point in points} <= {backend_plugins.GROUP}
        return [plugin.package for plugin in load_plugins(core, points)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(backend_plugins, "version", lambda _: own_version())
    return Site(tmp_path)


def _line(caplog: pytest.LogCaptureFixture, level: int) -> str:
    """The text and the fields of the one line at or above a level."""
    (record,) = [record for record in caplog.records if record.levelno >= level]
    assert record.levelno == level
    return f"{record.getMessage()} {record.__dict__.get('fields')}"


def test_packages_are_found_and_loaded_by_path(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.add("vulkan")
    site.add("rocm")
    core = FakeCore()
    assert site.names(core) == ["llamabox-vulkan", "llamabox-rocm"]
    assert core.loaded == ["libggml-vulkan.so", "libggml-rocm.so"]
    assert caplog.text.count("backend loaded") == 2
    assert not [name for name in sys.modules if name.startswith("llamabox_")]


def test_another_version_is_refused_with_what_would_help(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backend_plugins, "version", lambda _: "9.9.9")
    site.add("vulkan")
    core = FakeCore()
    assert site.names(core) == [] and core.loaded == []
    line = _line(caplog, logging.ERROR)
    assert f"llamabox-vulkan {own_version()}" in line
    assert "llamabox 9.9.9" in line and "pip install llamabox-vulkan==9.9.9" in line


def test_other_sources_of_ggml_are_refused(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.add("vulkan", source="xllamacpp-2-def")
    core = FakeCore()
    assert site.names(core) == [] and core.loaded == []
    line = _line(caplog, logging.ERROR)
    assert "xllamacpp-2-def" in line and _SOURCE in line


def test_a_build_with_its_backends_in_it_loads_none(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.add("vulkan")
    core = FakeCore(backends="built in")
    assert site.names(core) == [] and core.loaded == []
    assert "compiled with its backends in it" in _line(caplog, logging.ERROR)


def test_a_missing_driver_is_a_warning_with_the_loaders_reason(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.add("vulkan")
    core = FakeCore()
    core.broken = {"libggml-vulkan.so"}
    assert site.names(core) == []
    line = _line(caplog, logging.WARNING)
    assert "libgone.so.1" in line and BY_EXTRA["vulkan"].needs in line


def test_a_backend_without_devices_is_a_warning(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.add("vulkan")
    assert site.names(FakeCore(n_devices=0)) == []
    assert BY_EXTRA["vulkan"].needs in _line(caplog, logging.WARNING)


def test_of_two_packages_of_a_backend_the_newer_that_works_is_used(site: Site) -> None:
    site.add("cuda12")
    site.add("cuda13")
    core = FakeCore()
    assert site.names(core) == ["llamabox-cuda13"]
    core.broken = {"libggml-cuda13.so"}
    assert site.names(core) == ["llamabox-cuda12"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"library": "../x", "backend": "", "ggml_source": "", "needs": ""}']
)
def test_a_description_that_is_none_is_refused(
    site: Site, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.add("vulkan")
    (site.folder / "site" / "llamabox_vulkan" / "backend.json").write_text(text)
    core = FakeCore()
    assert site.names(core) == [] and core.loaded == []
    assert "llamabox-vulkan: its backend.json" in _line(caplog, logging.ERROR)


def test_pip_installs_the_wheel_and_its_record_is_true(site: Site) -> None:
    site.add("cuda12")
    (wheel,) = (site.folder / "made").glob("*.whl")
    assert wheel.name == f"llamabox_cuda12-{own_version()}-py3-none-any.whl"
    target = site.folder / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", target, wheel], check=True, timeout=60)
    (record,) = target.glob("*.dist-info/RECORD")
    rows = [row for row in csv.reader(record.read_text().splitlines()) if row[1]]
    assert {Path(row[0]).name for row in rows} >= {"backend.json", "libggml-cuda12.so", "METADATA"}
    for name, digest, _ in rows:
        made = hashlib.sha256((target / name).read_bytes()).digest()
        assert digest == f"sha256={base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"
    metadata = record.with_name("METADATA").read_text()
    assert f"Requires-Dist: llamabox=={own_version()}" in metadata
    assert "Requires-Dist: nvidia-cublas-cu12" in metadata


def test_a_wheel_that_holds_more_than_its_package_is_found_out(site: Site) -> None:
    site.add("vulkan")
    (wheel,) = (site.folder / "made").glob("*.whl")
    assert strange_files(wheel) == []
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("include/ggml.h", "")
    assert strange_files(wheel) == ["include/ggml.h"]
