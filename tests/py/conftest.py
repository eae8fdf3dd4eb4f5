"""Fixtures of the boundary and API tests."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import try_image
from api_harness import LiveServer
from fake_core import fake_engine, fake_image_engine
from llamabox.config import ServerConfig
from llamabox.http.limits import Limits
from real_core import provide_core

CONFIG = ServerConfig().replace(model__alias="fake", model__path="fake.gguf", http__metrics=True)

StartServer = Callable[..., LiveServer]

NODE_MODULES = Path(__file__).parents[2] / ".venv" / "node" / "node_modules"
# What cannot be had everywhere: whether it is there, and what brings it.
CLIENTS: dict[str, tuple[Callable[[], bool], str]] = {
    "node_client": (
        lambda: shutil.which("node") is not None and (NODE_MODULES / "openai").is_dir(),
        "node, and npm's openai, which tools/setup installs",
    ),
    "langchain_client": (
        lambda: importlib.util.find_spec("langchain_openai") is not None,
        "langchain-openai, which tools/test --full installs",
    ),
    "container_engine": (
        lambda: try_image.engine() is not None and try_image.python_of_wheels() is not None,
        "docker or podman, and wheels in dist/, which tools/build_wheel makes",
    ),
}
_left_out: list[str] = []


def _makes_images() -> bool:
    """Whether the extension module was built with stable-diffusion.cpp."""
    try:
        provide_core()
        from llamabox import _core
    except (ImportError, RuntimeError):
        return False
    return _core.has_images()


CLIENTS["image_build"] = (_makes_images, "a build with LLAMABOX_IMAGES=ON")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of clients that are missing here; the summary names them."""
    asked = {mark for mark in CLIENTS if any(item.get_closest_marker(mark) for item in items)}
    missing = {
        mark: why for mark, (is_there, why) in CLIENTS.items() if mark in asked and not is_there()
    }
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in missing)]
    if not left_out:
        return
    for item in left_out:
        why = next(why for mark, why in missing.items() if item.get_closest_marker(mark))
        _left_out.append(f"left out: {item.nodeid} needs {why}")
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of several tells the one that writes the summary."""
    if told := getattr(session.config, "workeroutput", None):
        told["left_out"] = _left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each process has collected the same; one that died tells nothing."""
    if told := getattr(node, "workeroutput", None):
        _left_out[:] = told["left_out"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, and what would bring it."""
    for line in _left_out:
        terminalreporter.write_line(line)


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts servers on fake models; each is closed at the end and must have lost no request.

    ``loading=True`` leaves the engine out, ``limits`` are the HTTP layer's, everything else goes to
    the fake model. ``config`` takes the place of CONFIG and says whether that makes images.
    """
    servers: list[LiveServer] = []

    def start(
        loading: bool = False,
        limits: Limits | None = None,
        config: ServerConfig = CONFIG,
        **model: Any,
    ) -> LiveServer:
        make = fake_image_engine if config.images.enabled else fake_engine
        servers.append(LiveServer(None if loading else make(**model), config, limits))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """One server on a fake model for tests that leave nothing behind."""
    live = LiveServer(fake_engine(), CONFIG)
    yield live
    live.close()
