"""Runs a real ``Supervisor`` over the fake worker; its settings come as JSON in the first word."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from llamabox import log
from llamabox.config import ServerConfig
from llamabox.listeners import open_listeners
from llamabox.restart_policy import RestartLimits
from llamabox.supervisor import Supervisor, SupervisorOptions

_FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))


def _main() -> int:
    given = json.loads(sys.argv[1])
    log.setup(0, colors=False)
    config = ServerConfig().with_values({"http.port": 0, **given["config"]})
    options = SupervisorOptions(
        command=given.get("command", _FAKE_WORKER), limits=RestartLimits(**given["limits"])
    )
    code = Supervisor(config, open_listeners(config.http), options).run()
    loaded = {"llamabox._core", "llamabox.worker", "ctypes", "uvloop", "asyncio"} & set(sys.modules)
    sys.stderr.write(f"loaded={sorted(loaded)}\n")
    return code


if __name__ == "__main__":
    sys.exit(_main())
