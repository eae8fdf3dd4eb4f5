"""TLS on the server's connections: the context, and the times a handshake may take."""

from __future__ import annotations

import ssl
from typing import Any

from llamabox.http.service import Service


class TlsError(Exception):
    """A certificate or key that cannot be used; the message is one line for the user."""


def server_context(cert_file: str, key_file: str) -> ssl.SSLContext:
    """A context of TLS 1.2 and above with one certificate chain.

    Raises TlsError, also for a key that is encrypted: nobody is there to type its password.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert_file, key_file, _no_password)
    except ssl.SSLError as error:
        reason = (error.reason or "not a certificate with its key").replace("_", " ").lower()
        raise TlsError(f"cannot use {cert_file} with {key_file}: {reason}") from None
    except OSError as error:
        # The system's error does not say which of the two files it means.
        raise TlsError(
            f"cannot read {_unreadable(cert_file, key_file)}: {error.strerror}"
        ) from None
    return context


def tls_arguments(service: Service) -> dict[str, Any]:
    """What ``connect_accepted_socket`` takes beyond the socket: nothing without TLS."""
    if service.options.tls is None:
        return {}
    limits = service.limits
    return {
        "ssl": service.options.tls,
        "ssl_handshake_timeout": limits.header_s,
        "ssl_shutdown_timeout": limits.write_stall_s,
    }


def _no_password() -> str:
    raise TlsError("the TLS key is encrypted; give one without a password")


def _unreadable(*paths: str) -> str:
    for path in paths:
        try:
            with open(path, "rb"):
                pass
        except OSError:
            return path
    return " or ".join(paths)
