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
from enum import Enum
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


class State(Enum):
    """What became of a package."""

    LOADED = "loaded"
    # Another package of the same backend works.
    NOT_NEEDED = "not needed"
    NO_DEVICE = "finds no device"
    BROKEN = "cannot be loaded"
    LEFT_OUT = "left out"


_LINES = {
    State.LOADED: (logging.INFO, "backend loaded"),
    State.NOT_NEEDED: (logging.INFO, "a backend's package is not needed"),
    State.NO_DEVICE: (logging.WARNING, "a backend finds no device on this machine"),
    State.BROKEN: (
        logging.WARNING,
        "a backend cannot be loaded, so its devices are not used",
    ),
    State.LEFT_OUT: (logging.ERROR, "a backend's package is left out"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one package, and why."""

    state: State
    # For the line in the log.
    facts: Mapping[str, object]
    # None where the package does not describe itself.
    plugin: Plugin | None = None


def load_plugins(core: BackendLoader, points: Iterable[EntryPoint] | None = None) -> list[Plugin]:
    """Load what is installed, with a line in the log for each package; return what works."""
    loaded = []
    for outcome in try_plugins(core, points):
        level, text = _LINES[outcome.state]
        _logger.log(level, text, extra=fields(**outcome.facts))
        if outcome.state is State.LOADED and outcome.plugin is not None:
            loaded.append(outcome.plugin)
    return loaded


def try_plugins(
    core: BackendLoader, points: Iterable[EntryPoint] | None = None
) -> Iterator[Outcome]:
    """Load what is installed, newest packages of a backend first; yield what became of each.

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
                yield Outcome(State.NOT_NEEDED, {"package": plugin.package, "used": used}, plugin)
                continue
            _check(plugin, core.build_info(), version("llamabox"))
        except UnfitPluginError as error:
            yield Outcome(State.LEFT_OUT, {"reason": str(error)})
            continue
        outcome = _load(core, plugin)
        if outcome.state is State.LOADED:
            loaded[plugin.backend] = plugin
        yield outcome


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


def _load(core: BackendLoader, plugin: Plugin) -> Outcome:
    named = {"package": plugin.package, "version": plugin.version}
    try:
        backend, n_devices = core.load_backend(str(plugin.library))
    except LlamaboxError as error:
        facts = {**named, "needs": plugin.needs, "reason": error.message}
        return Outcome(State.BROKEN, facts, plugin)
    if n_devices == 0:
        return Outcome(State.NO_DEVICE, {**named, "needs": plugin.needs}, plugin)
    return Outcome(State.LOADED, {**named, "backend": backend, "devices": n_devices}, plugin)
