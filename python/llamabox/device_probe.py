"""What the compute core finds on this machine, as JSON: ``python -m llamabox.device_probe``.

A process of its own, since a library that does not fit its driver may end it; ``doctor`` tells of
that. Covered by tests/py/api/test_doctor.py.
"""

from __future__ import annotations

import json
from typing import Any

from llamabox import _core
from llamabox.backend_plugins import try_plugins


def probe() -> dict[str, Any]:
    """Load what is installed and ask every device; the keys are those of ``diagnosis.Probe``."""
    _core.init_backends()
    plugins = [
        {
            "state": outcome.state.value,
            "backend": None if outcome.plugin is None else outcome.plugin.backend,
            "facts": outcome.facts,
        }
        for outcome in try_plugins(_core)
    ]
    devices = [
        {
            "name": device.name,
            "description": device.description,
            "memory_total_bytes": device.memory_total_bytes,
            "memory_free_bytes": device.memory_free_bytes,
            "is_gpu": device.is_gpu,
        }
        for device in _core.list_devices()
    ]
    return {"build": _core.build_info(), "plugins": plugins, "devices": devices}


if __name__ == "__main__":
    print(json.dumps(probe()))
