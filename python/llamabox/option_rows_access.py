"""The options that say who may use the server and how its connections are protected."""

from __future__ import annotations

import re

from llamabox.keys import ALLOWED, read_keys
from llamabox.option_values import Value, path
from llamabox.options import Group, Option, Store

_HOST = re.compile(r"[a-z0-9._-]{1,253}|\[?[0-9a-f:.]{2,45}\]?|\*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[\x21-\x2b\x2d-\x7e]{1,500}|null|\*")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def _access(names: str, help_text: str, effect: Store, default: str) -> Option:
    return Option(tuple(names.split()), Group.SERVER, help_text, effect, default)


def _names(metavar: str, pattern: re.Pattern[str], allowed: str) -> Value:
    """A comma-separated list in lower case, each item of one form."""

    def parse(text: str) -> object:
        items = text.lower().split(",")
        if not all(pattern.fullmatch(item) for item in items):
            raise ValueError(text)
        return tuple(item.strip("[]") for item in items)

    return Value(metavar, allowed, parse)


def _prefix() -> Value:
    def parse(text: str) -> object:
        if not _PREFIX.fullmatch(text):
            raise ValueError(text)
        return text

    return Value("PATH", "a path such as /api, without a slash at its end", parse)


ACCESS_OPTIONS = (
    _access("--api-key", "Keys, one of which requests must show; comma-separated, repeatable",
            Store("access.key_digests", Value("KEYS", ALLOWED, read_keys, secret=True),
                  repeats=True), "none, everybody may use every route"),
    _access("--api-key-file", "File with such keys, one on a line",
            Store("access.api_key_file", path()), "none"),
    _access("--ssl-cert-file", "Serve HTTPS with this certificate chain (PEM)",
            Store("access.ssl_cert_file", path()), "none, plain HTTP"),
    _access("--ssl-key-file", "Private key of that certificate (PEM, without a password)",
            Store("access.ssl_key_file", path()), "none"),
    _access("--cors-origins", "Web pages that may use the server, comma-separated; * = all",
            Store("access.cors_origins",
                  _names("ORIGINS", _ORIGIN, "origins such as https://app.example, or *")),
            "*, but only local pages where --host is a loopback address"),
    _access("--allowed-hosts", "Names the server answers under, comma-separated; * = any",
            Store("access.allowed_hosts", _names("NAMES", _HOST, "host names, or *")),
            "any, but only local ones where --host is a loopback address"),
    _access("--api-prefix", "Path in front of every route, such as /api",
            Store("access.api_prefix", _prefix()), "none"),
)  # fmt: skip
