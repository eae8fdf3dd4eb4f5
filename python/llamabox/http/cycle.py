"""From a whole request to its answer: runs the handler and judges how it ended."""

from __future__ import annotations

from llamabox.http.access import log_failure
from llamabox.http.application import Application
from llamabox.http.exchange import Exchange
from llamabox.http.message import HttpError, Request, Response, error_response
from llamabox.http.service import Service


async def answer(
    service: Service, application: Application, request: Request, exchange: Exchange
) -> None:
    """Runs the handler and sends what it returned.

    Afterwards the exchange is finished, or its answer was broken off: the client went away, or the
    handler failed when the head was out.
    """
    try:
        if request.method == "OPTIONS":
            response: Response | None = service.options.cors.preflight(request.headers)
        else:
            response = await application.handler(request, exchange)
        if response is not None and not exchange.started:
            await exchange.send(response)
        elif exchange.streams:
            exchange.finish()
        elif not exchange.closed:
            raise RuntimeError("the handler gave no answer")
    except HttpError as error:
        _send_error(exchange, error.response())
    except Exception as error:
        log_failure(service.log, "handler failed", exchange, error)
        _send_error(exchange, error_response(500, "internal error", "server_error"))


def _send_error(exchange: Exchange, response: Response) -> None:
    # With the head out the status is gone too; a broken-off stream is the only honest sign.
    if not exchange.started:
        exchange.send_now(response)
