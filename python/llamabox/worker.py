"""The server process: listens first, loads the model beside it, serves, and stops in good order.

Covered by tests/py/api/test_worker.py.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llamabox.access import cors_of, gate_of
from llamabox.api.app import App
from llamabox.api.call import Settings
from llamabox.api.sampling_fields import sampling_params
from llamabox.config import HttpConfig, ServerConfig
from llamabox.engine import CoreModule, Engine
from llamabox.errors import DeviceLostError, LlamaboxError
from llamabox.event_loop import new_event_loop
from llamabox.http.application import Application
from llamabox.http.limits import Limits
from llamabox.http.server import HttpServer
from llamabox.http.service import ServerOptions
from llamabox.http.system import is_unix
from llamabox.http.tls import server_context
from llamabox.image_engine import ImageEngine
from llamabox.log import fields
from llamabox.measure import measure_rate
from llamabox.system_process import watch_signals
from llamabox.upstream_log import UpstreamLog
from llamabox.worker_channel import EXIT_DEVICE_LOST, notify_ready

if TYPE_CHECKING:
    from llamabox import _core

Load = Callable[[ServerConfig, int], Engine | ImageEngine]
"""Loads an engine; the second argument is a descriptor for upstream's log lines."""

_SWITCH_INTERVAL_S = 0.001

_LOST_GRACE_S = 5.0
"""Clients have so long to read why their requests ended, before a lost server ends the worker."""

_logger = logging.getLogger(__name__)


def run_worker(
    config: ServerConfig, sockets: Sequence[socket.socket], load: Load | None = None
) -> int:
    """Serve on bound sockets until a stop signal; call it in the main thread.

    Returns the exit code: 0 after a normal stop, 1 when the model cannot be loaded,
    EXIT_DEVICE_LOST when a machine that a part of it is on was lost. ``load`` replaces the loader
    in tests.
    """
    # Threads beside the loop read large bodies; it must get its turn sooner than the usual 5 ms.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(Worker(config, load).run(list(sockets)))


def limits_of(http: HttpConfig) -> Limits:
    """The limits of the HTTP layer with the operator's values in them."""
    return Limits(
        timeout_s=http.timeout_s,
        conn_idle_s=http.conn_idle_s,
        conn_keepalive_s=http.conn_keepalive_s,
        write_stall_s=http.write_stall_s,
        sse_ping_s=http.sse_ping_interval_s or 0,
    )


def server_options(config: ServerConfig, app: App) -> ServerOptions:
    """The choices of the operator and of the application for the HTTP layer."""
    access = config.access
    tls = None
    if access.ssl_cert_file is not None and access.ssl_key_file is not None:
        tls = server_context(access.ssl_cert_file, access.ssl_key_file)
    return ServerOptions(
        cors=cors_of(config),
        gate=gate_of(config, app.router.is_public),
        tls=tls,
        large_body=app.router.large_body,
        server_name="llama-box",
        quiet_paths=app.probes,
    )


class Worker:
    """One run of the server."""

    def __init__(self, config: ServerConfig, load: Load | None) -> None:
        limits = limits_of(config.http)
        self._config = config
        self._app = App(Settings(config, limits, started_at=int(time.time())))
        # A restarted worker cannot know yet whether the servers are there.
        self._app.waiting = config.process.restart_count > 0 and bool(config.placement.rpc)
        self._load = load or functools.partial(_load, waiting=self._set_waiting)
        self._server = HttpServer(
            Application(self._app, self._app.answered),
            limits,
            logging.getLogger("llamabox.http"),
            server_options(config, self._app),
        )

    async def run(self, sockets: list[socket.socket]) -> int:
        """Serve until told to stop; returns the exit code."""
        scheme = "http" if self._config.access.ssl_cert_file is None else "https"
        addresses = [_address(sock, scheme) for sock in sockets]
        stopped = self._watch_signals()
        try:
            return await self._run(sockets, addresses, stopped)
        finally:
            self._unwatch_signals()

    async def _run(
        self, sockets: list[socket.socket], addresses: list[str], stopped: asyncio.Future[None]
    ) -> int:
        await self._server.start(sockets)
        upstream_log = UpstreamLog()
        loading = self._start_loading(upstream_log.fd)
        await asyncio.wait((loading, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            _leave_while_loading()
        try:
            engine = loading.result()
        except LlamaboxError as error:
            upstream_log.close()
            path = self._config.model.path
            _logger.error("cannot load the model", extra=fields(path=path, reason=error.message))
            await self._server.shutdown(grace_s=0)
            return self._code_after(error)
        code = await self._serve_until(stopped, engine, addresses)
        await engine.stop()
        upstream_log.close()
        return code

    async def _serve_until(
        self, stopped: asyncio.Future[None], engine: Engine | ImageEngine, addresses: list[str]
    ) -> int:
        """Serve until a stop signal comes or a device is lost; returns the exit code."""
        lost = asyncio.ensure_future(engine.device_lost.wait())
        try:
            await self._serve(engine, addresses)
            await asyncio.wait((stopped, lost), return_when=asyncio.FIRST_COMPLETED)
        except DeviceLostError:
            pass  # before the first request came
        lost.cancel()
        if stopped.done():
            await self._drain()
            return 0
        _logger.error("an RPC server is lost", extra=fields(open_requests=self._n_open()))
        await self._server.shutdown(grace_s=_LOST_GRACE_S)
        return EXIT_DEVICE_LOST

    def _code_after(self, error: LlamaboxError) -> int:
        """A server that is lost while the model is loaded ends the first start, as one that is not
        there does; later ones try again."""
        is_restart = self._config.process.restart_count > 0
        return EXIT_DEVICE_LOST if is_restart and isinstance(error, DeviceLostError) else 1

    def _set_waiting(self, waiting: bool) -> None:
        """Called by the loading thread; the probes say so."""
        self._app.waiting = waiting

    async def _serve(self, engine: Engine | ImageEngine, addresses: list[str]) -> None:
        engine.start()
        if isinstance(engine, ImageEngine):
            self._serve_images(engine, addresses)
            return
        if self._config.engine.tokens_per_second is None:
            engine.measured_rate = await measure_rate(engine, self._config.engine.n_ubatch)
            _logger.info("measured", extra=fields(tokens_per_second=engine.measured_rate))
        self._app.engine = engine
        embeds, pooling = self._config.encoder.embeds, engine.info.pooling
        _logger.info(
            "ready",
            extra=fields(
                model=self._config.model.alias,
                n_slot=engine.stats().n_slots,
                n_ctx=engine.n_ctx,
                address=",".join(addresses),
                pooling=pooling if embeds else None,
                encoder_mib=engine.info.encoder_bytes >> 20 if embeds else None,
            ),
        )
        if embeds and not (self._config.encoder.pooling or engine.info.names_pooling):
            _logger.info(
                "the model names no pooling, so that of its kind of attention is used",
                extra=fields(pooling=pooling),
            )
        notify_ready(self._config.process)

    def _serve_images(self, engine: ImageEngine, addresses: list[str]) -> None:
        self._app.engine = engine
        _logger.info(
            "ready",
            extra=fields(
                model=self._config.model.alias,
                family=engine.info.family,
                n_slot=engine.stats().n_slots,
                address=",".join(addresses),
            ),
        )
        notify_ready(self._config.process)

    def _start_loading(self, log_fd: int) -> asyncio.Future[Engine | ImageEngine]:
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[Engine | ImageEngine] = loop.create_future()

        def load() -> None:
            try:
                engine = self._load(self._config, log_fd)
            except Exception as error:
                loop.call_soon_threadsafe(loaded.set_exception, error)
            else:
                loop.call_soon_threadsafe(loaded.set_result, engine)

        # A daemon, since nothing can interrupt a load that nobody waits for any more.
        threading.Thread(target=load, name="load", daemon=True).start()
        return loaded

    def _watch_signals(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        stopped: asyncio.Future[None] = loop.create_future()
        self._at_once = asyncio.Event()

        def stop(number: int) -> None:
            if not stopped.done():
                _logger.info("stopping", extra=fields(open_requests=self._n_open()))
                self._app.stopping = True
                stopped.set_result(None)
            else:
                self._at_once.set()

        self._unwatch_signals = watch_signals(loop, self._config.process.stop_signals, stop)
        return stopped

    def _n_open(self) -> int:
        return 0 if self._app.engine is None else self._app.engine.n_open

    async def _drain(self) -> None:
        """Let open requests end; a second signal ends them at once."""
        graceful = asyncio.ensure_future(self._server.shutdown(grace_s=self._config.http.timeout_s))
        second = asyncio.ensure_future(self._at_once.wait())
        await asyncio.wait((graceful, second), return_when=asyncio.FIRST_COMPLETED)
        if not graceful.done():
            await self._server.shutdown(grace_s=0)
        second.cancel()
        await graceful


def _load(
    config: ServerConfig, log_fd: int, waiting: Callable[[bool], None]
) -> Engine | ImageEngine:
    """The real loader; imported here, since the import itself takes a moment."""
    from llamabox.model_loader import load_engine, prepare_core
    from llamabox.rpc_client import join_rpc_servers

    def default_sampling(core: CoreModule) -> _core.SamplingParams:
        return sampling_params(core, config.sampling, {"sampling": {}, "constraint": {}})

    prepare_core(config, log_fd)
    join_rpc_servers(config, waiting)
    if config.images.enabled:
        from llamabox.image_loader import load_image_engine

        return load_image_engine(config)
    return load_engine(config, default_sampling)


def _leave_while_loading() -> None:
    """End the process under the loading thread, whose memory nobody may tear down meanwhile."""
    sys.stderr.flush()
    os._exit(0)


def _address(sock: socket.socket, scheme: str) -> str:
    name = sock.getsockname()
    if is_unix(sock):
        return str(name)
    host, port = name[:2]
    shown = f"[{host}]" if sock.family == socket.AF_INET6 else host
    return f"{scheme}://{shown}:{port}"
