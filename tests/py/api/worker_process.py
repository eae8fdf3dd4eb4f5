"""A worker on a fake model, for test_worker: ``worker_process.py PORT_FILE MODE [STEP_US]``.

MODE is "serve", "refuse" (the load fails), "hang" (the load never ends), "lose" (a device is lost
after some steps) or "lose early" (before the first request).
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fake_core import fake_engine
from llamabox import log
from llamabox.config import ServerConfig
from llamabox.engine import Engine
from llamabox.errors import LoadFailedError
from llamabox.http.bind import bind
from llamabox.worker import run_worker


def main(port_file: str, mode: str, step_us: str = "0") -> int:
    """Run the worker; its port is in the file once it is bound."""
    log.setup(verbosity=0, colors=False)
    config = ServerConfig().replace(model__alias="fake", model__path="/models/fake.gguf")
    if mode == "lose early":
        config = config.replace(engine__tokens_per_second=None)  # it is measured at the start
    sockets = bind("127.0.0.1", 0)

    def load(config: ServerConfig, log_fd: int) -> Engine:
        Path(port_file).write_text(str(sockets[0].getsockname()[1]))
        if mode == "refuse":
            raise LoadFailedError("the file is not a GGUF file")
        if mode == "hang":
            threading.Event().wait()
        lost_after = {"lose": 40, "lose early": 1}.get(mode, 0)
        return fake_engine(step_us=int(step_us), lost_after=lost_after)

    return run_worker(config, sockets, load)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
