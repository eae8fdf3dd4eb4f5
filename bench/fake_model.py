#!/usr/bin/env python3
"""Engines and a server on the test-only extension module ``_core_fake``, whose model only sleeps.

    python bench/fake_model.py PORT STEP_US [N_CTX]

serves on 127.0.0.1:PORT, in one process, until it gets SIGTERM.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from llamabox.config import ServerConfig
from llamabox.engine import Engine
from llamabox.http.bind import bind
from llamabox.worker import run_worker

ROOT = Path(__file__).resolve().parent.parent
# Ids that are printable bytes, for prompts.
ID_LOW, ID_HIGH = 32, 120
N_SLOTS = 16


def load_core() -> Any:
    """The newest ``_core_fake`` of the build folders. Raises SystemExit when there is none."""
    built = sorted(
        ROOT.glob("build/*/cpp/bindings/_core_fake*.so"), key=lambda path: path.stat().st_mtime
    )
    if not built:
        raise SystemExit("_core_fake is not built: run tools/setup")
    sys.path.append(str(built[-1].parent))
    return importlib.import_module("_core_fake")


def core_engine(core: Any, step_us: int, n_queue: int = 256, n_ctx: int = 2048) -> Any:
    """An engine whose steps take ``step_us`` and whose texts never end by themselves."""
    model = core.FakeModelParams(
        n_ctx=n_ctx,
        n_cells=max(32768, n_ctx),
        n_batch=512,
        n_slots=N_SLOTS,
        step_us=step_us,
        fixed_text="the quick brown fox jumps over the lazy dog. ",
    )
    params = core.EngineParams(n_slots=N_SLOTS, n_queue=n_queue)
    return core.Engine(core.load_models(model), params)


def main() -> int:
    port, step_us, *rest = (int(word) for word in sys.argv[1:])
    n_ctx = rest[0] if rest else 2048
    core = load_core()
    config = ServerConfig().replace(model__alias="fake", model__path="fake.gguf")
    return run_worker(
        config,
        bind("127.0.0.1", port),
        lambda *_: Engine(core, core_engine(core, step_us, n_ctx=n_ctx)),
    )


if __name__ == "__main__":
    sys.exit(main())
