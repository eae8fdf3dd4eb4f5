"""The program ``llama-box``: reads the command line, then prints something or serves.

Exit codes: 0 after a normal stop and after printing; 1 for a bad command line and for a failure to
listen or to load.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from llamabox import log
from llamabox.access import (
    AccessError,
    check_rpc_access,
    is_open_to_all,
    with_checked_access,
)
from llamabox.config import DEFAULT_MODEL_PATH, ServerConfig
from llamabox.errors import LlamaboxError
from llamabox.listeners import ListenError, close_listeners, open_listeners
from llamabox.option_help import help_text
from llamabox.option_parser import CommandLine, Notice, UsageError, parse
from llamabox.options import Action
from llamabox.rpc_config import RpcConfig
from llamabox.system_process import CAN_SUPERVISE

_logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with the words after its name (those of the process) and return its code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["doctor"]:
        from llamabox import doctor

        return doctor.main(words[1:])
    try:
        command_line = parse(words, os.environ)
    except UsageError as error:
        return _fail(str(error))
    log.setup(command_line.config.log.verbosity, command_line.config.log.colors)
    for notice in command_line.warnings:
        _warn(notice)
    if command_line.action is not None:
        return _print_answer(command_line, command_line.action)
    try:
        if command_line.config.rpc.serves:
            return _lend(command_line)
        return _serve(with_checked_access(_with_model(command_line)))
    except (UsageError, AccessError, ListenError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 1


def _fail(message: str) -> int:
    sys.stderr.write(f"llama-box: {message}\n")
    return 1


def _warn(notice: Notice) -> None:
    _logger.warning(
        notice.text,
        extra=log.fields(
            flag=notice.flag,
            nearest_known_flag=notice.nearest,
            skipped_words=notice.n_skipped if notice.nearest else None,
        ),
    )


def _print_answer(command_line: CommandLine, action: Action) -> int:
    try:
        sys.stdout.write(_answer(command_line, action))
    except LlamaboxError as error:
        return _fail(error.message)
    return 0


def _answer(command_line: CommandLine, action: Action) -> str:
    """Return what an action prints. All but the help comes from the compute core."""
    if action is Action.HELP:
        return help_text(command_line.action_filter)
    from llamabox import devices

    if action is Action.VERSION:
        return devices.version_text()
    if action is Action.SYSTEM_INFO:
        return devices.system_info_text()
    if action is Action.LIST_DEVICES:
        return devices.devices_text(command_line.config.placement)
    return devices.buffer_types_text()


_NEED_MODEL: tuple[tuple[str, Callable[[ServerConfig], object]], ...] = (
    ("--lora", lambda config: config.adapters.loras),
    ("--control-vector", lambda config: config.adapters.control_vectors),
    ("--images", lambda config: config.images.enabled),
    ("--mmproj", lambda config: config.media.projector),
    ("--rerank", lambda config: config.encoder.ranks),
)


def _with_model(command_line: CommandLine) -> ServerConfig:
    """Return the settings with the model file and its name filled in.

    Raises UsageError for options that the demo model does not go with.
    """
    config = command_line.config
    encoder = config.encoder
    path = config.model.path
    if path is None and Path(DEFAULT_MODEL_PATH).is_file():
        path = DEFAULT_MODEL_PATH
    if not config.placement.rpc and config.placement.rpc_secured:
        _warn(Notice("the flags act on RPC servers only: they need --rpc", "--rpc-token"))
    if config.rpc != RpcConfig():
        _warn(Notice("the flags act on an RPC server only: they need a port", "--rpc-server-port"))
    if not encoder.embeds:
        for flag, value in (("--pooling", encoder.pooling), ("--attention", encoder.attention)):
            if value is not None:
                _warn(Notice("the flag acts on embeddings only: it needs --embeddings", flag))
    if path is None:
        for flags, is_given in _NEED_MODEL:
            if is_given(config):
                raise UsageError(
                    f"{flags} needs --model: the built-in demo model is only for a plain text"
                    " server"
                )
        from llamabox.models import DEMO_MODEL

        path = str(DEMO_MODEL)
        _logger.info(
            "no --model given: serving the built-in demo model", extra=log.fields(path=path)
        )
    alias = config.model.alias if config.model.alias is not None else Path(path).name
    return config.replace(model__path=path, model__alias=alias)


def _serve(config: ServerConfig) -> int:
    if is_open_to_all(config):
        _logger.warning(
            "anybody who can reach this address may use the server; --api-key asks for a key",
            extra=log.fields(host=config.http.host),
        )
    return _run(config)


def _lend(command_line: CommandLine) -> int:
    """Run as an RPC server: no model, no HTTP but for metrics."""
    config = command_line.config
    if config.model.path is not None:
        raise UsageError("--model: not allowed with --rpc-server-port; clients bring the model")
    if config.rpc.devices and config.rpc.main_gpu is not None:
        raise UsageError("--rpc-server-devices: not allowed with --rpc-server-main-gpu")
    check_rpc_access(config.rpc)
    if not config.rpc.is_secured:
        _logger.warning(
            "the RPC protocol has neither keys nor encryption: serve trusted networks only",
            extra=log.fields(host=config.rpc.host),
        )
    elif not config.rpc.token_digests:
        _logger.warning(
            "anybody who can reach this address may use the device; --rpc-server-token asks for"
            " a token",
            extra=log.fields(host=config.rpc.host),
        )
    return _run(config.replace(http__host=config.rpc.host, http__port=config.rpc.port))


def _run(config: ServerConfig) -> int:
    sockets = open_listeners(config.http)
    if not (config.process.supervise and CAN_SUPERVISE):
        return _serve_here(config, sockets)
    from llamabox.supervisor import Supervisor

    return Supervisor(config, sockets).run()


def _serve_here(config: ServerConfig, sockets: list[socket.socket]) -> int:
    from llamabox.worker_main import real_run_worker

    try:
        return real_run_worker(config)(config, sockets)
    except Exception:
        _logger.critical("the server failed", exc_info=True)
        return 1
    finally:
        close_listeners(config.http, sockets)
