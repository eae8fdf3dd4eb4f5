"""Log lines about requests, never with raw client bytes."""

from __future__ import annotations

import logging
import traceback

from llamabox.http.exchange import Exchange
from llamabox.http.service import Service
from llamabox.log import fields

_CLIENT_GONE = 499
_PATH_CHARACTERS = 256


def log_access(service: Service, exchange: Exchange) -> None:
    """The line at the end of every request; 499 stands for an answer that was broken off."""
    head = exchange.head
    if head is not None and head.path in service.options.quiet_paths:
        return
    if not service.log.isEnabledFor(logging.INFO):
        return
    service.log.info(
        "request",
        extra=fields(
            request_id=exchange.request_id,
            method=head.method if head else None,
            path=head.target[:_PATH_CHARACTERS] if head else None,
            client=exchange.client,
            status=final_status(exchange),
            bytes=exchange.body_bytes,
            ms=round((service.loop.time() - exchange.accepted_at) * 1000, 1),
            **exchange.figures,
        ),
    )


def final_status(exchange: Exchange) -> int:
    """The status of an answer, or 499 when it was broken off."""
    return exchange.status if exchange.delivered else _CLIENT_GONE


def log_failure(
    log: logging.Logger, what: str, exchange: Exchange | None, error: Exception
) -> None:
    """A defect of ours: one line with the place it came from; the traceback only for debugging."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None
    pairs = fields(
        request_id=exchange.request_id if exchange else None,
        error=type(error).__name__,
        reason=str(error),
        at=place,
    )
    log.error(what, extra=pairs)
    log.debug(what, extra=pairs, exc_info=error)


def client_text(peer: object) -> str:
    """The address of a client as it is shown: "address:port", "[address]:port" or "unix"."""
    if isinstance(peer, tuple) and len(peer) >= 2:
        host, port = str(peer[0]), peer[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "unix"
