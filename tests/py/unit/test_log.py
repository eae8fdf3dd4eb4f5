"""A log record is one line of key=value pairs that no value can break."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from llamabox.log import TRACE, fields, level_of, setup


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def _written(colors: bool = False, verbosity: int = 0) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    setup(verbosity, colors, stream)
    return logging.getLogger("llamabox.test"), stream


def test_a_record_is_one_line_with_its_pairs() -> None:
    logger, stream = _written()
    logger.info("request done", extra=fields(request_id="r-1", n_tokens=3, ttft_ms=1.25, x=None))
    line = stream.getvalue()
    stamp, rest = line.split(" ", 1)
    assert stamp.startswith("time=2")
    assert stamp.endswith("Z")
    assert rest == 'level=info msg="request done" request_id=r-1 n_tokens=3 ttft_ms=1.25\n'


@pytest.mark.parametrize(
    "value",
    ["a b", 'a"b', "a=b", "a\nlevel=error", "\x1b[31m", "\x7f", "\u2028", "\udcff", "", "a\\b"],
)
def test_values_from_outside_are_quoted(value: str) -> None:
    logger, stream = _written()
    logger.info("m", extra=fields(request_id=value))
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert json.loads(line.split(" request_id=", 1)[1]) == value


def test_an_exception_stays_on_the_line() -> None:
    logger, stream = _written()
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        logger.exception("failed")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert "RuntimeError: first" in json.loads(line.split(" traceback=", 1)[1])


def test_verbosity_opens_the_levels_one_after_another() -> None:
    assert [level_of(v) for v in (0, 1)] == [logging.INFO] * 2
    assert [level_of(v) for v in (2, 5)] == [logging.DEBUG] * 2
    assert [level_of(v) for v in (6, 2**31 - 1)] == [TRACE] * 2
    logger, stream = _written(verbosity=2)
    logger.debug("shown")
    logger.log(TRACE, "hidden")
    assert "level=debug msg=shown" in stream.getvalue()
    assert "hidden" not in stream.getvalue()


def test_only_the_level_is_coloured_and_only_when_asked() -> None:
    logger, stream = _written(colors=True)
    logger.warning("m")
    assert "level=\x1b[33mwarning\x1b[0m msg=m\n" in stream.getvalue()


def test_a_second_setup_replaces_the_first() -> None:
    _, first = _written()
    logger, second = _written()
    logger.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
