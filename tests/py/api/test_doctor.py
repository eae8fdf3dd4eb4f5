"""``llama-box doctor`` on this machine, with the real core in its process."""

from __future__ import annotations

import json
import subprocess
import sys

from box_process import TIMEOUT_S
from real_core import provide_core

provide_core()


def test_this_machine_is_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llamabox", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    said = json.loads(done.stdout)
    assert done.returncode == 0, said["findings"]
    assert said["probe"]["build"]["llama_cpp_build"].startswith("b")
    (cpu, *_) = [device for device in said["probe"]["devices"] if not device["is_gpu"]]
    assert cpu["memory_total_bytes"] >= cpu["memory_free_bytes"] > 0
    assert said["limits"]["n_cpus"] > 0
