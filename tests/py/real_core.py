"""Loads engines on real models; finds ``llamabox._core`` in the package or in a build folder."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from api_harness import LiveServer
from fake_core import ROOT
from llamabox.config import ServerConfig
from llamabox.engine import Engine
from llamabox.models import DEMO_MODEL


def provide_core() -> None:
    """Make ``import llamabox._core`` work in a source tree that was built but not installed."""
    if importlib.util.find_spec("llamabox._core") is not None:
        return
    built = sorted(
        ROOT.glob("build/*/cpp/bindings/_core.*.so"), key=lambda path: path.stat().st_mtime
    )
    if not built:
        raise RuntimeError("_core is not built: ninja -C build/dev _core")
    spec = importlib.util.spec_from_file_location("llamabox._core", built[-1])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["llamabox._core"] = module
    spec.loader.exec_module(module)


def demo_config(**targets: object) -> ServerConfig:
    """The settings of a small server on the built-in demo model."""
    config = ServerConfig().replace(model__path=str(DEMO_MODEL), model__alias="demo")
    return config.replace(**{"engine__n_ctx": 2048, **targets})


def demo_engine(config: ServerConfig) -> Engine:
    """The engine that the worker would make."""
    provide_core()
    from llamabox.model_loader import load_engine, prepare_core

    prepare_core(config, os.open(os.devnull, os.O_WRONLY))
    return load_engine(config)


@contextmanager
def serving(config: ServerConfig) -> Iterator[LiveServer]:
    """A server of this process with these settings."""
    live = LiveServer(demo_engine(config), config)
    try:
        yield live
    finally:
        live.close()
