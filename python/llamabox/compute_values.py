"""Kinds of option value that only the options of ``compute_options`` take; see option_values."""

from __future__ import annotations

import re

from llamabox.option_values import Value, integer, real

MAX_CPUS = 512
"""CPUs that ggml can name in a mask."""

_MAX_DEVICES = 128
_MAX_OVERRIDE_BYTES = 127
_MAX_RPC_SERVERS = 16
_ENDPOINT = re.compile(r"[A-Za-z0-9._-]{1,253}:([0-9]{1,5})\Z")
_MASK = re.compile(r"(0[xX])?[0-9a-fA-F]{1,128}\Z")
_RANGE = re.compile(r"([0-9]{1,3})-([0-9]{1,3})\Z")
_LEAST_FREQUENCY = 1e-6


def cpu_mask() -> Value:
    """A hexadecimal number whose set bits are CPUs; the empty text is no mask."""

    def parse(text: str) -> object:
        if not text:
            return ()
        if not _MASK.match(text) or not int(text, 16):
            raise ValueError(text)
        bits = int(text, 16)
        return tuple(cpu for cpu in range(MAX_CPUS) if bits >> cpu & 1)

    return Value("M", "a hexadecimal number of up to 128 digits with a bit set", parse)


def cpu_range() -> Value:
    """``lo-hi``, both included."""

    def parse(text: str) -> object:
        found = _RANGE.match(text)
        low, high = (int(found[1]), int(found[2])) if found else (1, 0)
        if not low <= high < MAX_CPUS:
            raise ValueError(text)
        return tuple(range(low, high + 1))

    return Value("LO-HI", f"two numbers of CPUs such as 0-3, up to {MAX_CPUS - 1}", parse)


def switch() -> Value:
    """0 or 1."""

    def parse(text: str) -> object:
        if text not in ("0", "1"):
            raise ValueError(text)
        return text == "1"

    return Value("0|1", "0 or 1", parse)


def shares() -> Value:
    """Proportions of devices, separated by commas or slashes."""
    one = real(0)

    def parse(text: str) -> object:
        parts = re.split("[,/]", text)
        if len(parts) > _MAX_DEVICES:
            raise ValueError(text)
        return tuple(one.parse(part) for part in parts)

    return Value("SPLIT", "numbers of at least 0 separated by commas, such as 3,1", parse)


def devices() -> Value:
    """Names of devices, or none."""

    def parse(text: str) -> object:
        names = tuple(text.split(","))
        if not all(name and name.isprintable() for name in names):
            raise ValueError(text)
        return () if text == "none" else names

    return Value("NAMES", "names of devices separated by commas, or none", parse)


def endpoints() -> Value:
    """``HOST:PORT`` of up to as many servers as ggml's client knows."""

    def parse(text: str) -> object:
        servers = tuple(text.split(","))
        if len(servers) > _MAX_RPC_SERVERS or not all(map(_is_endpoint, servers)):
            raise ValueError(text)
        return servers

    return Value("SERVERS", f"HOST:PORT, up to {_MAX_RPC_SERVERS} separated by commas", parse)


def _is_endpoint(server: str) -> bool:
    found = _ENDPOINT.match(server)
    return found is not None and 0 < int(found[1]) < 65536


def tensor_placements() -> Value:
    """Patterns of tensor names with the buffer type of each."""

    def parse(text: str) -> object:
        pairs = tuple((p, b) for p, _, b in (part.rpartition("=") for part in text.split(",")))
        if not all(p and b for p, b in pairs):
            raise ValueError(text)
        return pairs

    return Value("PATTERN=TYPE,...", "PATTERN=BUFFER_TYPE, several separated by commas", parse)


def metadata_override() -> Value:
    """``KEY=TYPE:VALUE``."""
    whole = integer(0, 2**32 - 1)
    number = real()

    def parse(text: str) -> object:
        key, _, rest = text.partition("=")
        kind, colon, word = rest.partition(":")
        if not colon or not 0 < len(key.encode()) <= _MAX_OVERRIDE_BYTES:
            raise ValueError(text)
        if kind == "bool" and word in ("true", "false"):
            return key, word == "true"
        if kind == "int":
            return key, whole.parse(word)
        if kind == "float":
            return key, number.parse(word)
        if kind == "str" and len(word.encode()) <= _MAX_OVERRIDE_BYTES:
            return key, word
        raise ValueError(text)

    allowed = "KEY=TYPE:VALUE, where TYPE is int, float, bool (true, false) or str"
    return Value("KEY=TYPE:VALUE", allowed, parse)


def factor() -> Value:
    """How many times the context is extended, as the scale of frequencies, its inverse."""
    extension = real(1 / 1024, 1024)

    def parse(text: str) -> object:
        return 1 / float(str(extension.parse(text)))

    return Value("N", extension.allowed, parse)


def frequency() -> Value:
    """A positive number; 0 is the model's own."""
    number = real(0)

    def parse(text: str) -> object:
        value = float(str(number.parse(text)))
        if 0 < value < _LEAST_FREQUENCY:
            raise ValueError(text)
        return value or None

    return Value("N", f"a number of at least {_LEAST_FREQUENCY}, or 0 for the model's own", parse)


def number_or_model() -> Value:
    """A number of at least 0; a negative one is the model's own."""
    number = real()

    def parse(text: str) -> object:
        value = float(str(number.parse(text)))
        return None if value < 0 else value

    return Value("N", "a number, where a negative one is the model's own", parse)
