"""Reads a command line into a ``ServerConfig``; see ``parse`` for the rules."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llamabox.config import ServerConfig
from llamabox.image_options import TEXT_ONLY
from llamabox.option_environment import VariableError, find_variables
from llamabox.option_table import BY_NAME
from llamabox.option_values import Value
from llamabox.options import Action, Assign, Option, Run, Store, Words
from llamabox.sampling_options import with_escapes

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


@dataclass(slots=True)
class _Reader:
    """The words of a command line and what was read from them so far."""

    words: Sequence[str]
    at: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    warnings: list[Notice] = field(default_factory=list)
    action: Action | None = None
    action_filter: str | None = None
    # What is set below these words, by the environment.
    below: Mapping[str, Any] = field(default_factory=dict)
    # Fields that an option has put back to their defaults.
    undone: set[str] = field(default_factory=set)

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
            item = self._read_value(effect.value, flag, attached)
            if effect.needs is not None and not self._is_set(effect.needs):
                raise UsageError(f"{flag} needs --{effect.needs.partition('.')[2]} before it")
            self._reset(effect.resets)
            held = self.values.get(effect.target, ()) if effect.repeats else ()
            self._set(effect.target, flag, (*held, *item) if effect.repeats else item)
            return
        if isinstance(effect, Words):
            self._add_words(effect, flag, attached)
            return
        if attached is not None and not (isinstance(effect, Run) and effect.action is Action.HELP):
            raise UsageError(f"{flag}: {_shown(attached)} is not allowed; the flag takes no value")
        if isinstance(effect, Assign):
            self._reset(effect.resets)
            self._set(effect.target, flag, effect.constant)
        else:
            self.action, self.action_filter = effect.action, attached

    def _add_words(self, effect: Words, flag: str, attached: str | None) -> None:
        members: list[object] = []
        for value in effect.values:
            members.append(self._read_value(value, flag, attached))
            attached = None
        members += effect.tail
        item = members[0] if len(members) == 1 else tuple(members)
        if effect.repeatable:
            item = (*self.values.get(effect.target, ()), item)
        self._set(effect.target, flag, item)

    def _read_value(self, value: Value, flag: str, attached: str | None) -> Any:
        word = self._next_word(value, flag) if attached is None else attached
        try:
            return value.parse(word)
        except ValueError:
            shown = "the value" if value.secret else _shown(word)
            raise UsageError(f"{flag}: {shown} is not allowed; expected {value.allowed}") from None

    def _next_word(self, value: Value, flag: str) -> str:
        if self.at == len(self.words) or _is_flag(self.words[self.at]):
            raise UsageError(f"{flag}: a value is missing; expected {value.allowed}")
        self.at += 1
        return self.words[self.at - 1]

    def _reset(self, targets: Sequence[str]) -> None:
        for target in targets:
            self.values.pop(target, None)
            self.spelled.pop(target, None)
            self.undone.add(target)

    def _is_set(self, target: str) -> bool:
        return bool(self.values.get(target, target not in self.undone and self.below.get(target)))

    def _set(self, target: str, flag: str, value: object) -> None:
        self.values[target] = value
        self.spelled[target] = flag


def parse(words: Sequence[str], environment: Mapping[str, str] | None = None) -> CommandLine:
    """Read the words after the program name, and under them the environment (see there).

    ``--flag value`` and ``--flag=value`` mean the same and the last one wins. A value that begins
    with a dash and is not a number needs the second form. An unknown flag is skipped with the
    words up to the next flag. Reading stops at an option that is an action.

    Raises UsageError for a bad or missing value, a word that belongs to no flag, and options that
    contradict each other.
    """
    below = _Reader(())
    wrong: UsageError | None = None
    try:
        _read_environment(below, environment or {})
    except UsageError as error:
        wrong = error
    reader = _Reader(words, below=below.values)
    reader.read()
    # What is asked for its help or version answers, whatever the environment holds.
    if reader.action is not None:
        below = _Reader(())
    elif wrong is not None:
        raise wrong
    inherited = {k: v for k, v in below.values.items() if k not in reader.undone}
    config = ServerConfig().with_values({**inherited, **reader.values})
    if reader.action is None:
        config = _checked(config, {**below.spelled, **reader.spelled})
    return CommandLine(
        config,
        reader.action,
        reader.action_filter,
        (*below.warnings, *reader.warnings),
    )


def _read_environment(merged: _Reader, environment: Mapping[str, str]) -> None:
    """Read each variable as the words it stands for; its name takes the place of the flag."""
    try:
        variables, unknown = find_variables(environment)
    except VariableError as error:
        raise UsageError(str(error)) from None
    merged.warnings += [
        Notice("unknown environment variable is ignored", name, nearest)
        for name, nearest in unknown
    ]
    for variable in variables:
        reader = _Reader(variable.words, values=dict(merged.values))
        try:
            reader.read()
        except UsageError as error:
            raise UsageError(variable.name + str(error).removeprefix(variable.flag)) from None
        stored = {target: reader.values[target] for target in reader.spelled}
        for target, value in {**stored, **variable.values}.items():
            other = merged.spelled.get(target)
            if other is not None and merged.values[target] != value:
                raise UsageError(f"{variable.name} contradicts {other}; set only one of them")
            merged.values[target] = value
            merged.spelled[target] = variable.name
        merged.warnings += [replace(notice, flag=variable.name) for notice in reader.warnings]


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
    if config.images.enabled:
        _check_images(spelled)
    return _checked_sampling(_checked_compute(config, spelled), spelled)


def _check_images(spelled: dict[str, str]) -> None:
    for target in TEXT_ONLY:
        if target in spelled:
            raise UsageError(
                f"{spelled[target]}: not allowed with --images, which cannot follow it"
            )


def _checked_compute(config: ServerConfig, spelled: dict[str, str]) -> ServerConfig:
    masks = ("cpu_mask", "cpu_range", "cpu_mask_batch", "cpu_range_batch")
    for target in (f"threads.{name}" for name in masks):
        if config.placement.numa is not None and target in spelled:
            raise UsageError(
                f"{spelled[target]}: not allowed with --numa, which places the threads itself"
            )
    if config.adapters.loras and "model.use_mmap" not in spelled:
        config = config.replace(model__use_mmap=False)
    return config


def _checked_sampling(config: ServerConfig, spelled: dict[str, str]) -> ServerConfig:
    both = ("sampling.grammar", "sampling.json_schema")
    if all(target in spelled for target in both):
        raise UsageError(f"{spelled[both[1]]}: not allowed with {spelled[both[0]]}")
    return with_escapes(config, spelled)


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not _NEGATIVE_NUMBER.match(word)


def _shown(word: str) -> str:
    """Quote a user's word so that it cannot break or flood the line it is shown in."""
    cut = word if len(word) <= _SHOWN_CHARACTERS else word[:_SHOWN_CHARACTERS] + "…"
    return json.dumps(cut, ensure_ascii=not cut.isprintable())
