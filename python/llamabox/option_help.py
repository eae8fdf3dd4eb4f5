"""Prints the option table as the text of ``--help``."""

from __future__ import annotations

from llamabox.config import ServerConfig
from llamabox.option_table import OPTIONS
from llamabox.options import Assign, Group, Option, Store, Words

_NAMES_WIDTH = 48
_USAGE = (
    "usage: llama-box [options]",
    "       llama-box doctor [--json]    what this machine has for it, and what is wrong",
)
_ENVIRONMENT = (
    "Every option that sets something is also read from the environment, under the command line;",
    "LLAMA_BOX_CTX_SIZE=8192 is --ctx-size 8192. Flags without a value take 1, true, on, or 0,",
    "false, off, which for a switch is its opposite. An empty variable is not set.",
)


def help_text(word: str | None = None) -> str:
    """Return the usage text: one line per option under its group.

    With ``word`` only the options whose names or description contain it, in either case.
    """
    lines = list(_USAGE)
    for group in Group:
        rows = [_row(o) for o in OPTIONS if o.group is group and _matches(o, word)]
        if rows:
            lines += ["", f"{group.value}:", "", *rows]
    if len(lines) == len(_USAGE):
        lines += ["", f"no option matches {word!r}"]
    if not word:
        lines += ["", *_ENVIRONMENT]
    return "\n".join(lines) + "\n"


def default_of(option: Option) -> str | None:
    """Return the default as the user would type it, or None where there is none to show."""
    effect = option.effect
    if option.default_text is not None:
        return option.default_text
    if isinstance(effect, Store):
        value = ServerConfig().get(effect.target)
        return f"{value:g}" if isinstance(value, float) else str(value)
    return None


def _matches(option: Option, word: str | None) -> bool:
    haystack = " ".join((*option.names, option.help)).lower()
    return not word or word.lower() in haystack


def _row(option: Option) -> str:
    effect = option.effect
    short, long = option.names[0], option.names[1:]
    if short.startswith("--"):
        short, long = "", option.names
    names = f"  {short + ',' if short else '':<6} {', '.join(long)}"
    if isinstance(effect, Store):
        names += f" {effect.value.metavar}"
    elif isinstance(effect, Words):
        names += "".join(f" {value.metavar}" for value in effect.values)
    return f"{names:<{_NAMES_WIDTH}} {option.help}{_default_note(option)}"


def _default_note(option: Option) -> str:
    effect = option.effect
    if isinstance(effect, Assign):
        return " (default)" if ServerConfig().get(effect.target) == effect.constant else ""
    default = default_of(option)
    return f" (default: {default})" if default is not None else ""
