"""One case for each sampling field: what the request has besides, and a value that shows.

test_field_effects asks with the field and without it, test_flag_effects gives the value on the
command line instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Goes on after the end of the text, where the model is less sure of itself, so that samplers show.
HOT: dict[str, Any] = {"temperature": 3, "seed": 3, "ignore_eos": True}
GREEDY: dict[str, Any] = {"temperature": 0}
# Repeats itself before long, so that penalties show.
LOOP: dict[str, Any] = {"temperature": 0, "ignore_eos": True}
PROMPT = "one two three one two three one two"
N_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Case:
    """A value of the field and the request around it."""

    value: Any
    base: dict[str, Any] = field(default_factory=lambda: HOT)
    # The option that is the field's default on the server, and its words.
    flag: str = ""
    words: tuple[str, ...] = ()


_DRY = {**LOOP, "dry_multiplier": 5, "dry_allowed_length": 1, "dry_sequence_breakers": ["#"]}
_MIROSTAT = {**HOT, "mirostat": 2}
_GRAMMAR = 'root ::= ("yes" | "no") "!"'

SAMPLING: dict[str, Case] = {
    "samplers": Case(["temperature"], {**HOT, "top_k": 1}, "--samplers", ("temperature",)),
    "min_keep": Case(50, {**HOT, "top_p": 0.01, "samplers": ["top_p", "temperature"]}),
    "temperature": Case(5, {"seed": 3, "ignore_eos": True}, "--temp", ("5",)),
    "top_k": Case(1, HOT, "--top-k", ("1",)),
    "top_p": Case(0.1, HOT, "--top-p", ("0.1",)),
    "min_p": Case(0.9, HOT, "--min-p", ("0.9",)),
    "typical_p": Case(0.1, HOT, "--typical", ("0.1",)),
    "top_n_sigma": Case(0.1, HOT, "--top-nsigma", ("0.1",)),
    "xtc_probability": Case(1, {**HOT, "xtc_threshold": 0.01}, "--xtc-probability", ("1",)),
    "xtc_threshold": Case(0.01, {**HOT, "xtc_probability": 1}, "--xtc-threshold", ("0.01",)),
    "dynatemp_range": Case(3, HOT, "--dynatemp-range", ("3",)),
    "dynatemp_exponent": Case(9, {**HOT, "dynatemp_range": 3}, "--dynatemp-exp", ("9",)),
    "mirostat": Case(2, HOT, "--mirostat", ("2",)),
    "mirostat_tau": Case(0.5, _MIROSTAT, "--mirostat-ent", ("0.5",)),
    "mirostat_eta": Case(5, _MIROSTAT, "--mirostat-lr", ("5",)),
    "repeat_last_n": Case(0, {**LOOP, "repeat_penalty": 5}, "--repeat-last-n", ("0",)),
    "repeat_penalty": Case(5, LOOP, "--repeat-penalty", ("5",)),
    "frequency_penalty": Case(2, LOOP, "--frequency-penalty", ("2",)),
    "presence_penalty": Case(2, LOOP, "--presence-penalty", ("2",)),
    "dry_multiplier": Case(5, {**_DRY, "dry_multiplier": None}, "--dry-multiplier", ("5",)),
    "dry_base": Case(50, {**_DRY, "dry_multiplier": 0.2}, "--dry-base", ("50",)),
    "dry_allowed_length": Case(
        30, {**_DRY, "dry_allowed_length": None}, "--dry-allowed-length", ("30",)
    ),
    "dry_penalty_last_n": Case(0, _DRY, "--dry-penalty-last-n", ("0",)),
    "dry_sequence_breakers": Case(
        [" "], {**_DRY, "dry_sequence_breakers": ["#"]}, "--dry-sequence-breaker", (" ",)
    ),
    "logit_bias": Case({"5": 100}, GREEDY, "--logit-bias", ("5+100",)),
    "seed": Case(4, {"temperature": 3, "ignore_eos": True}, "--seed", ("4",)),
    "grammar": Case(_GRAMMAR, HOT, "--grammar", (_GRAMMAR,)),
    "json_schema": Case({"const": 5}, HOT, "--json-schema", ('{"const": 5}',)),
}
