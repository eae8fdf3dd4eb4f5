"""Turns the settings of access into the rules of the HTTP layer, and checks them before the start.

The parent process checks, so that a wrong file ends the start with one line; the worker builds.
"""

from __future__ import annotations

from collections.abc import Callable

from llamabox.config import AccessConfig, ServerConfig
from llamabox.http.cors import CorsPolicy
from llamabox.http.gate import Gate, is_loopback
from llamabox.http.tls import TlsError, server_context
from llamabox.keys import KeyFileError, read_key_file
from llamabox.rpc_config import RpcConfig


class AccessError(Exception):
    """Settings of access that cannot be used; the message is one line for the user."""


def with_checked_access(config: ServerConfig) -> ServerConfig:
    """The settings with the keys of the key file in them. Raises AccessError."""
    access = config.access
    _check_tls(access.ssl_cert_file, access.ssl_key_file, "--ssl")
    try:
        if access.api_key_file is None:
            return config
        found = read_key_file(access.api_key_file)
    except KeyFileError as error:
        raise AccessError(f"--api-key-file: {error}") from None
    return config.replace(access__key_digests=access.key_digests + found)


def check_rpc_access(rpc: RpcConfig) -> None:
    """Raises AccessError for a token that would go unencrypted, and for unusable certificates."""
    _check_tls(rpc.ssl_cert_file, rpc.ssl_key_file, "--rpc-server-ssl")
    if rpc.token_digests and not rpc.is_secured:
        raise AccessError(
            "--rpc-server-token needs --rpc-server-ssl-cert-file and --rpc-server-ssl-key-file:"
            " anybody on the way could read the token"
        )


def _check_tls(cert_file: str | None, key_file: str | None, flags: str) -> None:
    if (cert_file is None) != (key_file is None):
        given, missing = (f"{flags}-cert-file", f"{flags}-key-file")
        if cert_file is None:
            given, missing = missing, given
        raise AccessError(f"{given} needs {missing}: TLS takes a certificate and its key")
    if cert_file is None or key_file is None:
        return
    try:
        server_context(cert_file, key_file)
    except TlsError as error:
        raise AccessError(str(error)) from None


def is_open_to_all(config: ServerConfig) -> bool:
    """Whether machines other than this one can use the server without a key."""
    if config.access.key_digests or config.http.unix_path is not None:
        return False
    return not is_loopback(config.http.host)


def cors_of(config: ServerConfig) -> CorsPolicy:
    """Which pages may read answers: those named, else all, else (on loopback) local ones only."""
    if config.access.cors_origins is not None:
        return CorsPolicy(config.access.cors_origins)
    return CorsPolicy((), local=True) if is_loopback(config.http.host) else CorsPolicy()


def gate_of(config: ServerConfig, is_public: Callable[[str], bool]) -> Gate:
    """The rules about Host, Origin and keys."""
    access = config.access
    on_loopback = is_loopback(config.http.host)
    cors = cors_of(config)
    return Gate(
        hosts=_hosts(access, on_loopback),
        pages=cors if on_loopback or access.cors_origins is not None else None,
        key_digests=access.key_digests,
        is_public=is_public,
    )


def _hosts(access: AccessConfig, on_loopback: bool) -> frozenset[str] | None:
    if access.allowed_hosts is None:
        return frozenset() if on_loopback else None
    return None if "*" in access.allowed_hosts else frozenset(access.allowed_hosts)
