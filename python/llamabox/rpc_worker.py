"""The RPC server's process: lends a device to clients until a stop signal.

The core serves in a thread of its own, since its call returns only when it is stopped; the loop
brings its log lines here and waits for signals. Covered by tests/py/api/test_rpc.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from llamabox import _core
from llamabox.config import ServerConfig
from llamabox.errors import LlamaboxError
from llamabox.log import fields
from llamabox.model_loader import prepare_core
from llamabox.rpc_config import DEFAULT_CACHE_MIB, RpcConfig
from llamabox.upstream_log import UpstreamLog
from llamabox.worker_channel import notify_ready

_MIB = 1024 * 1024

_logger = logging.getLogger(__name__)


def run_rpc_worker(config: ServerConfig, sockets: Sequence[socket.socket]) -> int:
    """Serve on listening sockets until a stop signal; call it in the main thread.

    Returns the exit code: 0 after a normal stop, 1 when the device cannot be lent.
    """
    return asyncio.run(_run(config, sockets))


async def _run(config: ServerConfig, sockets: Sequence[socket.socket]) -> int:
    log = UpstreamLog()
    prepare_core(config, log.fd)
    try:
        server = _core.RpcServer(rpc_params(config.rpc, sockets), log.fd)
    except LlamaboxError as error:
        _logger.error("cannot lend the device", extra=fields(reason=error.message))
        return 1
    finally:
        log.read()
    loop = asyncio.get_running_loop()
    for number in config.process.stop_signals:
        loop.add_signal_handler(number, server.stop)
    _logger.info(
        "ready",
        extra=fields(
            device=server.device_name,
            capacity_mib=server.capacity_bytes // _MIB,
            reserved_mib=config.rpc.reserve_mib or 0,
            protocol="8.0.0",
        ),
    )
    notify_ready(config.process)
    await asyncio.to_thread(server.serve)
    log.close()
    return 0


def rpc_params(rpc: RpcConfig, sockets: Sequence[socket.socket]) -> _core.RpcParams:
    """The settings as the core takes them."""
    return _core.RpcParams(
        listeners=[sock.fileno() for sock in sockets],
        main_gpu=_main_gpu(rpc.main_gpu),
        n_threads=rpc.n_threads or 0,
        reserved_bytes=(rpc.reserve_mib or 0) * _MIB,
        cache_dir=str(rpc.cache_dir or _default_cache_dir()) if rpc.cache else "",
        cache_limit_bytes=(rpc.cache_mib or DEFAULT_CACHE_MIB) * _MIB,
    )


def _main_gpu(wanted: int | str | None) -> int | None:
    if wanted == "cpu":
        return None
    if wanted is None:
        return 0 if any(device.is_gpu for device in _core.list_devices()) else None
    return int(wanted)


def _default_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "llamabox" / "rpc"
