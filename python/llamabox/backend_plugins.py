"""Backends that come in packages of their own: found, checked and loaded before any device is
asked about.

Such a package holds one library of ggml and a file that describes it; none of its code runs. It
names itself by an entry point of GROUP. What does not fit is left out with a line in the log, and
the server goes on with what there is. Covered by tests/py/unit/test_backend_plugins.py.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Protocol

from llamabox.errors import LlamaboxError
from llamabox.log import fields

GROUP = "llamabox.backends"
DESCRIPTION = "backend.json"
BACKEND_PATH = "GGML_BACKEND_PATH"

_logger = logging.getLogger(__name__)


class BackendLoader(Protocol):
    """What is needed of the compute core."""

    def build_info(self) -> Mapping[str, str]:
        """Facts of the build, among them ``ggml_source`` and ``backends``."""

    def load_backend(self, path: str) -> tuple[str, int]:
        """Load a library; return the backend's name and how many devices it found."""


class UnfitPluginError(Exception):
    """A package that must not be loaded; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One package, as it describes itself."""

    package: str
    version: str
    library: Path
    # Which of ggml's backends it is; packages for several versions of a toolkit share one.
    backend: str
    # The sources it was built from, as in ``build_info``.
    ggml_source: str
    # What must be installed on the machine besides, in words.
    needs: str


def load_plugins(core: BackendLoader, points: Iterable[EntryPoint] | None = None) -> list[Plugin]:
    """Load what is installed, newest packages of a backend first; return what works.

    A further package of a backend that works is left alone. ``points`` replaces the installed ones
    in tests.
    """
    path = os.environ.get(BACKEND_PATH)
    if path and core.build_info()["backends"] == "loadable":
        _logger.info("ggml loads what the environment names", extra=fields(path=path))
    loaded: dict[str, Plugin] = {}
    for point in _newest_first(entry_points(group=GROUP) if points is None else points):
        try:
            plugin = _read(point)
            if plugin.backend in loaded:
                used = loaded[plugin.backend].package
                _logger.info(
                    "a backend's package is not needed",
                    extra=fields(package=plugin.package, used=used),
                )
                continue
            _check(plugin, core.build_info(), version("llamabox"))
        except UnfitPluginError as error:
            _logger.error("a backend's package is left out", extra=fields(reason=str(error)))
            continue
        if _load(core, plugin):
            loaded[plugin.backend] = plugin
    return list(loaded.values())


def _newest_first(points: Iterable[EntryPoint]) -> Iterator[EntryPoint]:
    yield from sorted(points, key=lambda point: point.name, reverse=True)


def _read(point: EntryPoint) -> Plugin:
    """Read a package's description without importing the package."""
    if point.dist is None:
        raise UnfitPluginError(f"the entry point {point.name} belongs to no package")
    folder = Path(str(point.dist.locate_file(point.value)))
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        words = [described[key] for key in ("library", "backend", "ggml_source", "needs")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnfitPluginError(
            f"{point.dist.name}: its {DESCRIPTION} cannot be read: {error}"
        ) from None
    if not all(isinstance(word, str) for word in words) or Path(words[0]).name != words[0]:
        raise UnfitPluginError(f"{point.dist.name}: its {DESCRIPTION} is not what it should be")
    library, backend, ggml_source, needs = words
    return Plugin(
        package=point.dist.name,
        version=point.dist.version,
        library=folder / library,
        backend=backend,
        ggml_source=ggml_source,
        needs=needs,
    )


def _check(plugin: Plugin, build: Mapping[str, str], own_version: str) -> None:
    """Raise UnfitPluginError where the package and this build were not made for each other."""
    name = plugin.package
    if build["backends"] != "loadable":
        raise UnfitPluginError(
            f"{name}: this llamabox was compiled with its backends in it and loads none; install"
            " llamabox from a wheel, or compile it with the backend"
        )
    if plugin.version != own_version:
        raise UnfitPluginError(
            f"{name} {plugin.version} goes with llamabox {plugin.version}, and this is llamabox"
            f" {own_version}; pip install {name}=={own_version}"
        )
    if plugin.ggml_source != build["ggml_source"]:
        raise UnfitPluginError(
            f"{name} was built from {plugin.ggml_source}, and llamabox from"
            f" {build['ggml_source']}; install both from one place"
        )


def _load(core: BackendLoader, plugin: Plugin) -> bool:
    named = {"package": plugin.package, "version": plugin.version}
    try:
        backend, n_devices = core.load_backend(str(plugin.library))
    except LlamaboxError as error:
        _logger.warning(
            "a backend cannot be loaded, so its devices are not used",
            extra=fields(**named, needs=plugin.needs, reason=error.message),
        )
        return False
    if n_devices == 0:
        _logger.warning(
            "a backend finds no device on this machine", extra=fields(**named, needs=plugin.needs)
        )
        return False
    _logger.info("backend loaded", extra=fields(**named, backend=backend, devices=n_devices))
    return True
