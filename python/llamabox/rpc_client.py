"""Devices of RPC servers as devices of this process.

Runs in any one thread, after the backends are initialised and before a model is loaded. Covered by
tests/py/api/test_rpc_client.py, test_rpc_lost.py
and test_rpc_secure.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from llamabox import _core
from llamabox.compute_config import PlacementConfig
from llamabox.config import ServerConfig
from llamabox.errors import LoadFailedError
from llamabox.log import fields
from llamabox.rpc_relay import RpcRelay, credentials

_RETRY_S = 1.0

_logger = logging.getLogger(__name__)


class RpcServers:
    """The servers that ``--rpc`` names; those that ask for TLS are reached through a relay."""

    def __init__(self, placement: PlacementConfig) -> None:
        """Raises LoadFailedError for a file of certificates that cannot be used."""
        self._servers = placement.rpc
        self._relay: RpcRelay | None = None
        if self._servers and placement.rpc_secured:
            self._relay = RpcRelay(credentials(placement.rpc_token, placement.rpc_ca_file))

    def add(self) -> None:
        """Add their devices to those of this process.

        Raises LoadFailedError, which names the server that is at fault; nothing is added then.
        """
        endpoints = [
            _core.RpcEndpoint(address=self._address_of(server), name=server)
            for server in self._servers
        ]
        if endpoints:
            _core.add_rpc_servers(endpoints)

    def _address_of(self, server: str) -> str:
        return server if self._relay is None else self._relay.address_of(server)


def join_rpc_servers(config: ServerConfig, waiting: Callable[[bool], None]) -> None:
    """Add the servers of a worker; one that was restarted waits for those that are away.

    Raises LoadFailedError in the first worker, where a server that is not there is a mistake.
    """
    servers = RpcServers(config.placement)
    while True:
        try:
            servers.add()
        except LoadFailedError as error:
            if config.process.restart_count == 0:
                raise
            _logger.warning("waiting for an RPC server", extra=fields(reason=error.message))
            waiting(True)
            time.sleep(_RETRY_S)
        else:
            waiting(False)
            return
