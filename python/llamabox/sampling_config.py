"""Defaults of sampling; a group of ``config.ServerConfig``."""

from __future__ import annotations

from dataclasses import dataclass

from llamabox.sampler_names import SAMPLERS


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """What a request gets for a sampling field that it does not set."""

    # None draws a new seed for each request.
    seed: int | None = None
    # 0 is greedy.
    temperature: float = 0.8
    # 0 keeps every token.
    top_k: int = 40
    # 1 keeps every token.
    top_p: float = 0.95
    # 0 keeps every token.
    min_p: float = 0.05
    # Tokens the penalties look back at; None is the whole context, 0 none.
    repeat_last_n: int | None = 64
    # 1 is no penalty.
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    # The core's names, in the order in which they act; those left out do not.
    samplers: tuple[str, ...] = SAMPLERS
    # 1 keeps every token.
    typical_p: float = 1.0
    # Standard deviations below the best logit; 0 and less keeps every token.
    top_n_sigma: float = -1.0
    # 0 never leaves the likeliest tokens out.
    xtc_probability: float = 0.0
    # Above 0.5 none is left out.
    xtc_threshold: float = 0.1
    # 0 leaves the temperature as it is.
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    # 0 is off, else the version.
    mirostat: int = 0
    mirostat_eta: float = 0.1
    mirostat_tau: float = 5.0
    # 0 is no penalty.
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    # Tokens that dry looks back at; None is the whole context, 0 none.
    dry_penalty_last_n: int | None = None
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    # Pairs of a token's id or a text and what is added to its logits; None bans.
    logit_bias: tuple[tuple[int | str, float | None], ...] = ()
    # GBNF or the text of a JSON schema that every answer follows unless its request says otherwise.
    grammar: str | None = None
    json_schema: str | None = None
    # Whether text on the command line has escapes such as \n; requests are never touched.
    escape: bool = True
