"""Reads a command line into a ``ServerConfig``; see ``parse`` for the rules."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llamabox.config import ServerConfig
from llamabox.option_table import BY_NAME
from llamabox.options import Action, Assign, Option, Refuse, Run, Store, Warn

_NEGATIVE_NUMBER = re.compile(r"-\.?[0-9]")
_SHOWN_CHARACTERS = 80
_QUANTISED_PREFIXES = ("q", "iq")


class UsageError(Exception):
    """A command line that cannot be followed; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something on the command line that has no effect, for one log line."""

    text: str
    flag: str
    # The known spelling that looks most like an unknown flag, or None for a known flag.
    nearest: str | None = None
    # Words after the flag that were skipped with it. They are counted and not shown, since an
    # unknown flag may carry a secret.
    n_skipped: int = 0


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a command line asks for."""

    config: ServerConfig
    # None means to serve.
    action: Action | None = None
    # The word of ``--help=WORD``.
    action_filter: str | None = None
    warnings: tuple[Notice, ...] = ()
    # The options that this version refuses, as the user spelled them.
    refused: tuple[tuple[str, Refuse], ...] = ()


@dataclass(slots=True)
class _Reader:
    """The words of a command line and what was read from them so far."""

    words: Sequence[str]
    at: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    warnings: list[Notice] = field(default_factory=list)
    refused: list[tuple[str, Refuse]] = field(default_factory=list)
    action: Action | None = None
    action_filter: str | None = None

    def read(self) -> None:
        while self.at < len(self.words) and self.action is None:
            word = self.words[self.at]
            self.at += 1
            if not _is_flag(word):
                raise UsageError(f"{_shown(word)} belongs to no flag; flags begin with a dash")
            flag, equals, attached = word.partition("=")
            option = BY_NAME.get(flag)
            if option is None:
                self._skip_unknown(flag)
            else:
                self._apply(option, flag, attached if equals else None)

    def _skip_unknown(self, flag: str) -> None:
        nearest = difflib.get_close_matches(flag, BY_NAME, n=1, cutoff=0.0)[0]
        n_skipped = self._skip_words()
        self.warnings.append(Notice("unknown flag is ignored", flag, nearest, n_skipped))

    def _skip_words(self) -> int:
        start = self.at
        while self.at < len(self.words) and not _is_flag(self.words[self.at]):
            self.at += 1
        return self.at - start

    def _apply(self, option: Option, flag: str, attached: str | None) -> None:
        effect = option.effect
        if isinstance(effect, Store):
            self._store(effect, flag, self._word_of(effect, flag, attached))
            return
        if isinstance(effect, Refuse):
            self.refused.append((flag, effect))
            self._skip_words()
            return
        if attached is not None and not (isinstance(effect, Run) and effect.action is Action.HELP):
            raise UsageError(f"{flag}: {_shown(attached)} is not allowed; the flag takes no value")
        if isinstance(effect, Assign):
            self._reset(effect.resets)
            self._set(effect.target, flag, effect.constant)
        elif isinstance(effect, Run):
            self.action, self.action_filter = effect.action, attached
        else:
            self.warnings.append(_warning(effect, flag))

    def _word_of(self, effect: Store, flag: str, attached: str | None) -> str:
        if attached is not None:
            return attached
        if self.at == len(self.words) or _is_flag(self.words[self.at]):
            raise UsageError(f"{flag}: a value is missing; expected {effect.value.allowed}")
        self.at += 1
        return self.words[self.at - 1]

    def _store(self, effect: Store, flag: str, word: str) -> None:
        try:
            value = effect.value.parse(word)
        except ValueError:
            expected = effect.value.allowed
            raise UsageError(
                f"{flag}: {_shown(word)} is not allowed; expected {expected}"
            ) from None
        if effect.needs is not None and not self.values.get(effect.needs):
            raise UsageError(f"{flag} needs --{effect.needs.partition('.')[2]} before it")
        self._reset(effect.resets)
        self._set(effect.target, flag, value)

    def _reset(self, targets: Sequence[str]) -> None:
        for target in targets:
            self.values.pop(target, None)
            self.spelled.pop(target, None)

    def _set(self, target: str, flag: str, value: object) -> None:
        self.values[target] = value
        self.spelled[target] = flag


def parse(words: Sequence[str]) -> CommandLine:
    """Read the words after the program name.

    ``--flag value`` and ``--flag=value`` mean the same and the last one wins. A value that begins
    with a dash and is not a number needs the second form. An unknown flag is skipped with the
    words up to the next flag. Reading stops at an option that is an action.

    Raises UsageError for a bad or missing value, a word that belongs to no flag, and options that
    contradict each other.
    """
    reader = _Reader(words)
    reader.read()
    config = ServerConfig().with_values(reader.values)
    if reader.action is None:
        config = _checked(config, reader.spelled)
    return CommandLine(
        config,
        reader.action,
        reader.action_filter,
        tuple(reader.warnings),
        tuple(reader.refused),
    )


def _checked(config: ServerConfig, spelled: dict[str, str]) -> ServerConfig:
    """Check options against each other; the default micro-batch follows a smaller batch."""
    engine = config.engine
    if engine.n_ubatch > engine.n_batch:
        if "engine.n_ubatch" in spelled:
            raise UsageError(
                f"{spelled['engine.n_ubatch']}: {engine.n_ubatch} is not allowed; expected at most"
                f" the {engine.n_batch} of --batch-size"
            )
        config = config.replace(engine__n_ubatch=engine.n_batch)
    if engine.type_v.startswith(_QUANTISED_PREFIXES) and engine.flash_attn is False:
        raise UsageError(
            f"{spelled['engine.type_v']}: {engine.type_v} is not allowed with --no-flash-attn;"
            " expected one of f32, f16, bf16"
        )
    return config


def _warning(effect: Warn, flag: str) -> Notice:
    return Notice(effect.text, flag)


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not _NEGATIVE_NUMBER.match(word)


def _shown(word: str) -> str:
    """Quote a user's word so that it cannot break or flood the line it is shown in."""
    cut = word if len(word) <= _SHOWN_CHARACTERS else word[:_SHOWN_CHARACTERS] + "…"
    return json.dumps(cut, ensure_ascii=not cut.isprintable())
