"""What the compute core knows about this machine and about itself, as text for a terminal."""

from __future__ import annotations

from importlib.metadata import version

from llamabox import _core
from llamabox.backend_plugins import load_plugins
from llamabox.compute_config import PlacementConfig
from llamabox.rpc_client import RpcServers


def version_text() -> str:
    """The version of the package and one line for each fact about how the core was built."""
    build = "".join(f"{key}: {value}\n" for key, value in _core.build_info().items())
    return f"llama-box: {version('llamabox')}\n{build}"


def system_info_text() -> str:
    """The processor features and settings that the compute backends report."""
    load_plugins(_core)
    return f"{_core.system_info().strip()}\n"


def devices_text(placement: PlacementConfig) -> str:
    """One line for each device that layers can be offloaded to, those of the servers first.

    Raises LoadFailedError for a server that lends none.
    """
    load_plugins(_core)
    RpcServers(placement).add()
    return "".join(
        f"{device.name}: {device.description} ({_mib(device.memory_total_bytes)} MiB,"
        f" {_mib(device.memory_free_bytes)} MiB free)\n"
        for device in _core.list_devices()
    )


def buffer_types_text() -> str:
    """The name of each buffer type on a line."""
    load_plugins(_core)
    return "".join(f"{name}\n" for name in _core.list_buffer_types())


def _mib(n_bytes: int) -> int:
    return n_bytes // (1024 * 1024)
