"""The options of the samplers beyond the everyday ones, and of structured output."""

from __future__ import annotations

import math
import re

import orjson

from llamabox.config import ServerConfig
from llamabox.json_schema import schema_text
from llamabox.option_values import Value, integer, real
from llamabox.options import Assign, Effect, Group, Option, Store, Words
from llamabox.sampler_names import MAX_SAMPLERS, SAMPLERS, split_samplers

MAX_GRAMMAR_BYTES = 64 * 1024
MAX_BREAKER_BYTES = 40

_BIAS = re.compile(r"(?s:(.+))([+-](?:inf|[0-9]+\.?[0-9]*|\.[0-9]+))\Z")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[nrt'\"\\])")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"', "\\": "\\"}


def _sampling(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.COMPLETION, help_text, effect, default)


def _samplers() -> Value:
    def parse(text: str) -> object:
        names = tuple(split_samplers(text))
        if not names or len(names) > MAX_SAMPLERS:
            raise ValueError(text)
        return names

    return Value(
        "SAMPLERS", f"up to {MAX_SAMPLERS} of {';'.join(SAMPLERS)}, or their letters", parse
    )


def _breaker() -> Value:
    def parse(text: str) -> object:
        if not 1 <= len(text.encode("utf-8", "surrogateescape")) <= MAX_BREAKER_BYTES:
            raise ValueError(text)
        return text

    return Value("TEXT", f'a text of 1 to {MAX_BREAKER_BYTES} bytes, or "none"', parse)


def _bias() -> Value:
    def parse(text: str) -> object:
        found = _BIAS.match(text)
        if found is None:
            raise ValueError(text)
        key, bias = found[1], float(found[2])
        if bias == -math.inf:
            return (_token(key), None)
        if not -100 <= bias <= 100:
            raise ValueError(text)
        return (_token(key), bias)

    allowed = "a token id or a text with +N or -N behind it, N up to 100, or -inf for a ban"
    return Value("TOKEN_ID(+/-)BIAS", allowed, parse)


def _token(key: str) -> int | str:
    return int(key) if key.isascii() and key.isdigit() and len(key) < 10 else key


def _grammar() -> Value:
    return Value("GRAMMAR", f"a grammar of up to {MAX_GRAMMAR_BYTES} bytes", _checked_grammar)


def _grammar_file() -> Value:
    def parse(text: str) -> object:
        try:
            with open(text, encoding="utf-8") as file:
                return _checked_grammar(file.read(MAX_GRAMMAR_BYTES + 1))
        except OSError as error:
            raise ValueError(text) from error

    return Value("FILE", f"a readable file with up to {MAX_GRAMMAR_BYTES} bytes of UTF-8", parse)


def _checked_grammar(text: str) -> str:
    if not text.strip() or len(text.encode()) > MAX_GRAMMAR_BYTES:
        raise ValueError(text)
    return text


def _schema() -> Value:
    def parse(text: str) -> object:
        schema = orjson.loads(text)
        if type(schema) is not dict:
            raise ValueError(text)
        return schema_text(schema)

    return Value("SCHEMA", "a JSON schema: an object, of bounded size and depth", parse)


SAMPLER_OPTIONS = (
    _sampling("--no-escape", "Take text of the options below as it is",
              Assign("sampling.escape", False)),
    _sampling("-e --escape",
              r"Replace \n, \r, \t, \', \", \\ and \xHH in breakers, biased texts and --grammar",
              Assign("sampling.escape", True)),
    _sampling("--samplers", "Order of the samplers: names with ; between them, or letters",
              Store("sampling.samplers", _samplers()), ";".join(SAMPLERS)),
    _sampling("--top-nsigma", "Keep what is this many deviations below the best; below 0 = all",
              Store("sampling.top_n_sigma", real())),
    _sampling("--xtc-probability", "How often the likeliest tokens are left out; 0 = never",
              Store("sampling.xtc_probability", real(0, 1))),
    _sampling("--xtc-threshold", "Which tokens count as likely there; above 0.5 = none",
              Store("sampling.xtc_threshold", real(0, 1))),
    _sampling("--typical", "Keep tokens of typical surprise that hold this probability; 1 = all",
              Store("sampling.typical_p", real(0, 1))),
    _sampling("--dry-multiplier", "Penalty for continuing a repeated sequence; 0 = none",
              Store("sampling.dry_multiplier", real(minimum=0))),
    _sampling("--dry-base", "Growth of that penalty with the length of the repetition",
              Store("sampling.dry_base", real(minimum=1))),
    _sampling("--dry-allowed-length", "Repeated tokens that cost nothing",
              Store("sampling.dry_allowed_length", integer(0))),
    _sampling("--dry-penalty-last-n", "Tokens it looks back at; 0 = none, -1 = context",
              Store("sampling.dry_penalty_last_n", integer(0, special={-1: None},
                                                           meaning="-1 for the context size")),
              "-1"),
    _sampling("--dry-sequence-breaker",
              'Text that ends a sequence, may be repeated; replaces newline : " *; none = no such',
              Words("sampling.dry_sequence_breakers", (_breaker(),), repeatable=True)),
    _sampling("--dynatemp-range", "How far the temperature follows the entropy; 0 = not at all",
              Store("sampling.dynatemp_range", real(minimum=0))),
    _sampling("--dynatemp-exp", "Exponent with which it follows",
              Store("sampling.dynatemp_exponent", real(minimum=0))),
    _sampling("--mirostat", "Mirostat 1 or 2 instead of the samplers that cut; 0 = off",
              Store("sampling.mirostat", integer(0, 2))),
    _sampling("--mirostat-lr", "Learning rate of Mirostat, eta",
              Store("sampling.mirostat_eta", real(0, 1000))),
    _sampling("--mirostat-ent", "Surprise that Mirostat aims at, tau",
              Store("sampling.mirostat_tau", real(0, 1000))),
    _sampling("-l --logit-bias", "Add to the logit of a token, 15043+1 or 15043-1; repeatable",
              Words("sampling.logit_bias", (_bias(),), repeatable=True)),
    _sampling("--grammar", "GBNF grammar of every answer whose request has none of its own",
              Store("sampling.grammar", _grammar()), "none"),
    _sampling("--grammar-file", "The same, from a file",
              Store("sampling.grammar", _grammar_file()), "none"),
    _sampling("-j --json-schema", "JSON schema of every answer whose request has none of its own",
              Store("sampling.json_schema", _schema()), "none"),
)  # fmt: skip


def with_escapes(config: ServerConfig, spelled: dict[str, str]) -> ServerConfig:
    """The settings with the escapes of command line text replaced, and "none" breakers gone."""
    sampling = config.sampling
    read = _unescaped if sampling.escape else str
    values: dict[str, object] = {}
    if "sampling.dry_sequence_breakers" in spelled:
        breakers = [text for text in sampling.dry_sequence_breakers if text != "none"]
        values["sampling.dry_sequence_breakers"] = tuple(map(read, breakers))
    if "sampling.logit_bias" in spelled:
        values["sampling.logit_bias"] = tuple(
            (key if isinstance(key, int) else read(key), bias) for key, bias in sampling.logit_bias
        )
    if spelled.get("sampling.grammar") == "--grammar":
        values["sampling.grammar"] = read(sampling.grammar or "")
    return config.with_values(values)


def _unescaped(text: str) -> str:
    def replaced(found: re.Match[str]) -> str:
        escape = found[1]
        return chr(int(escape[1:], 16)) if escape[0] == "x" else _ESCAPED[escape]

    return _ESCAPE.sub(replaced, text)
