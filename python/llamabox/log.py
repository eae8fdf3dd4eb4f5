"""Log lines for stderr: one line per record, ``key=value``, safe against what clients send.

``extra=fields(host=..., request_id=...)`` adds pairs after the message. Values are quoted as JSON
text when they hold anything but plain printable characters, so that no client can forge a line or
send control codes to a terminal.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any, TextIO

TRACE = 5
"""Level of the details that only a very high verbosity shows."""

_REQUEST_VERBOSITY = 2
_DETAIL_VERBOSITY = 6

_PLAIN = re.compile(r"[!#-<>-\[\]-~]+\Z")
_LEVEL_NAMES = {
    TRACE: "trace",
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
_COLORS = {
    "trace": "\x1b[90m",
    "debug": "\x1b[36m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[35m",
}
_NO_COLOR = "\x1b[0m"


def fields(**pairs: object) -> dict[str, dict[str, object]]:
    """Return the ``extra`` of a logging call that adds these pairs; None values are left out."""
    return {"fields": {key: value for key, value in pairs.items() if value is not None}}


def level_of(verbosity: int) -> int:
    """Return the logging level for ``--log-verbosity``: info, debug from 2, trace from 6."""
    if verbosity >= _DETAIL_VERBOSITY:
        return TRACE
    return logging.DEBUG if verbosity >= _REQUEST_VERBOSITY else logging.INFO


def setup(verbosity: int, colors: bool, stream: TextIO | None = None) -> None:
    """Send all records of the process to ``stream`` (stderr), replacing earlier handlers."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(LineFormatter(colors))
    logging.basicConfig(level=level_of(verbosity), handlers=[handler], force=True)


class LineFormatter(logging.Formatter):
    """Formats a record as ``time=... level=... msg=... key=value ...`` on one line."""

    def __init__(self, colors: bool = False) -> None:
        super().__init__()
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        level = _LEVEL_NAMES.get(record.levelno, record.levelname.lower())
        shown = f"{_COLORS.get(level, '')}{level}{_NO_COLOR}" if self._colors else level
        parts = [f"time={_timestamp(record)}", f"level={shown}", f"msg={_quote(_message(record))}"]
        pairs: dict[str, Any] = dict(getattr(record, "fields", {}))
        if record.exc_info:
            pairs["traceback"] = self.formatException(record.exc_info)
        parts += [f"{key}={_quote(_text(value))}" for key, value in pairs.items()]
        return " ".join(parts)


def _timestamp(record: logging.LogRecord) -> str:
    """UTC with milliseconds as in RFC 3339."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{moment}.{int(record.msecs):03d}Z"


def _message(record: logging.LogRecord) -> str:
    return record.getMessage()


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _quote(text: str) -> str:
    if _PLAIN.match(text):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable()).replace("\x7f", "\\u007f")
