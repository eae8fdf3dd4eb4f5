"""The RPC server's process: lends devices to clients until a stop signal.

The core serves in a thread of its own, since its call returns only when it is stopped; the loop
brings its log lines here, opens the door where TLS is asked for, answers scrapes and waits for
signals. Covered by tests/py/api/test_rpc.py and test_rpc_secure.py.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

from llamabox import _core
from llamabox.config import ServerConfig
from llamabox.errors import LlamaboxError
from llamabox.event_loop import new_event_loop
from llamabox.http.application import Application
from llamabox.http.bind import bind
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response
from llamabox.http.router import Router
from llamabox.http.server import HttpServer
from llamabox.http.tls import server_context
from llamabox.log import fields
from llamabox.model_loader import prepare_core
from llamabox.rpc_config import DEFAULT_CACHE_MIB, RpcConfig
from llamabox.rpc_door import RpcDoor
from llamabox.rpc_metrics import RpcMetrics
from llamabox.system_paths import cache_folder
from llamabox.system_process import watch_signals
from llamabox.upstream_log import UpstreamLog
from llamabox.worker_channel import notify_ready

_MIB = 1024 * 1024
_METRICS_GRACE_S = 1.0

_logger = logging.getLogger(__name__)


def run_rpc_worker(config: ServerConfig, sockets: Sequence[socket.socket]) -> int:
    """Serve on listening sockets until a stop signal; call it in the main thread.

    Returns the exit code: 0 after a normal stop, 1 when a device cannot be lent.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_run(config, sockets))


async def _run(config: ServerConfig, sockets: Sequence[socket.socket]) -> int:
    log = UpstreamLog()
    prepare_core(config, log.fd)
    rpc = config.rpc
    try:
        server = _core.RpcServer(rpc_params(rpc, () if rpc.is_secured else sockets), log.fd)
        metrics = await _serve_metrics(config, server)
    except LlamaboxError as error:
        _logger.error("cannot lend the device", extra=fields(reason=error.message))
        return 1
    except OSError as error:
        reason = f"rpc-server-metrics-port: cannot listen: {error.strerror or error}"
        _logger.error("cannot lend the device", extra=fields(reason=reason))
        return 1
    finally:
        log.read()
    door = _open_door(rpc, server, sockets)
    unwatch = watch_signals(
        asyncio.get_running_loop(), config.process.stop_signals, lambda number: server.stop()
    )
    _log_ready(rpc, server)
    notify_ready(config.process)
    await asyncio.to_thread(server.serve)
    if door is not None:
        await door.close()
    if metrics is not None:
        await metrics.shutdown(_METRICS_GRACE_S)
    log.close()
    unwatch()
    return 0


def _log_ready(rpc: RpcConfig, server: _core.RpcServer) -> None:
    capacities = (seat.capacity_bytes // _MIB for seat in server.stats().seats)
    _logger.info(
        "ready",
        extra=fields(
            device=",".join(server.device_names),
            capacity_mib=",".join(str(mib) for mib in capacities),
            reserved_mib=rpc.reserve_mib or 0,
            protocol="8.0.0",
            tls=rpc.is_secured,
            token=bool(rpc.token_digests),
        ),
    )


def _open_door(
    rpc: RpcConfig, server: _core.RpcServer, sockets: Sequence[socket.socket]
) -> RpcDoor | None:
    """Where TLS is asked for, connections come through here instead of straight to the core."""
    if rpc.ssl_cert_file is None or rpc.ssl_key_file is None:
        return None
    context = server_context(rpc.ssl_cert_file, rpc.ssl_key_file)
    door = RpcDoor(context, rpc.token_digests, server.adopt)
    door.open(sockets)
    return door


async def _serve_metrics(config: ServerConfig, server: _core.RpcServer) -> HttpServer | None:
    """Answer scrapes on a port of their own. Raises OSError when it cannot be listened on."""
    rpc = config.rpc
    if rpc.metrics_port == 0:
        return None
    metrics = RpcMetrics(server.stats, server.device_names, config.process.restart_count)

    async def page(request: Request, exchange: Exchange) -> Response:
        return Response(200, metrics.render(), metrics.content_type)

    async def health(request: Request, exchange: Exchange) -> Response:
        return Response(200, b'{"status":"ok"}')

    router = Router()
    router.add("GET", "/metrics", page, public=True)
    router.add("GET", "/health", health, public=True)
    http = HttpServer(Application(router), Limits(), logging.getLogger("llamabox.http"))
    await http.start(bind(rpc.host, rpc.metrics_port))
    return http


def rpc_params(rpc: RpcConfig, sockets: Sequence[socket.socket]) -> _core.RpcParams:
    """The settings as the core takes them."""
    devices = rpc.devices or (_main_device(rpc.main_gpu),)
    return _core.RpcParams(
        listeners=[sock.fileno() for sock in sockets],
        gpus=[int(device) for device in devices if device != "cpu"],
        cpu="cpu" in devices,
        n_threads=rpc.n_threads or 0,
        reserved_bytes=(rpc.reserve_mib or 0) * _MIB,
        cache_dir=str(rpc.cache_dir or cache_folder() / "rpc") if rpc.cache else "",
        cache_limit_bytes=(rpc.cache_mib or DEFAULT_CACHE_MIB) * _MIB,
    )


def _main_device(wanted: int | str | None) -> int | str:
    if wanted is not None:
        return wanted
    return 0 if any(device.is_gpu for device in _core.list_devices()) else "cpu"
