"""Checks of the sampling fields that are no plain numbers, and what the core gets for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from llamabox.api.checks import (
    INT32_MAX,
    array,
    boolean,
    described,
    integer,
    kind_of,
    mapping,
    name,
    refuse,
    schema_of,
)
from llamabox.json_schema import schema_text
from llamabox.sampler_names import MAX_SAMPLERS, SAMPLERS, sampler_names, split_samplers
from llamabox.sampling_config import SamplingConfig
from llamabox.strict_schema import unenforced

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox.engine import CoreModule

MAX_BIASES = 1024
MAX_BIAS_BYTES = 256
MAX_BREAKERS = 16
MAX_BREAKER_BYTES = 40
MAX_GRAMMAR_BYTES = 64 * 1024

Bias = tuple[int | str, float | None]
"""A token's id or a text, and what is added to its logits; None bans."""

check_grammar = name(MAX_GRAMMAR_BYTES)


def check_samplers(value: Any, path: str) -> list[str]:
    """Names in an array, or one text of names or letters."""
    if type(value) is not str:
        for at, item in enumerate(array(value, path, 0, MAX_SAMPLERS)):
            name(64)(item, f"{path}[{at}]")
    try:
        names = split_samplers(value) if type(value) is str else sampler_names(value)
    except ValueError as error:
        refuse(path, f'names "{error}", which is no sampler')
    if len(names) > MAX_SAMPLERS:
        refuse(path, f"has {len(names)} samplers; it may have {MAX_SAMPLERS}")
    return names


def check_breakers(value: Any, path: str) -> list[str]:
    """Texts that end a repeated sequence."""
    items = array(value, path, 0, MAX_BREAKERS)
    return [name(MAX_BREAKER_BYTES)(item, f"{path}[{at}]") for at, item in enumerate(items)]


def check_logit_bias(value: Any, path: str) -> list[Bias]:
    """OpenAI's object of ids, or llama.cpp's array of pairs; both may name a text instead."""
    if type(value) is dict:
        if len(value) > MAX_BIASES:
            refuse(path, f"has {len(value)} tokens; it may have {MAX_BIASES}")
        return [(_key(key, path), _bias(bias, f"{path}.{key}")) for key, bias in value.items()]
    if type(value) is not list:
        refuse(path, f"must be an object or an array of pairs, not {kind_of(value)}")
    return [
        _pair(pair, f"{path}[{at}]") for at, pair in enumerate(array(value, path, 0, MAX_BIASES))
    ]


def _pair(value: Any, path: str) -> Bias:
    token, bias = array(value, path, 2, 2)
    if type(token) is str:
        name(MAX_BIAS_BYTES)(token, f"{path}[0]")
    else:
        integer(0, INT32_MAX)(token, f"{path}[0]")
    return (token, _bias(bias, f"{path}[1]"))


def _key(key: str, path: str) -> int | str:
    if key.lstrip("-").isdigit() and key.isascii():
        return int(integer(0, INT32_MAX)(int(key[:20]), f"{path}.{key}"))
    return str(name(MAX_BIAS_BYTES)(key, f"{path}.{key}"))


def _bias(value: Any, path: str) -> float | None:
    if value is False:
        return None
    if type(value) is not int and type(value) is not float:
        refuse(path, f"must be a number or false, not {kind_of(value)}")
    if not -100 <= value <= 100:
        refuse(path, f"is {value}; it must be -100 to 100")
    return float(value)


def check_json_schema(value: Any, path: str) -> str:
    """A schema, as the core's text; an empty one asks for any object."""
    try:
        return schema_text(mapping(value, path))
    except ValueError as error:
        refuse(path, str(error))


def check_response_format(value: Any, path: str) -> str | None:
    """The text of the schema that OpenAI's field asks for; None for free text."""
    fields = mapping(value, path)
    kind = fields.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        # The schema beside it is llama.cpp's.
        return check_json_schema(fields.get("schema") or {}, f"{path}.schema")
    if kind != "json_schema":
        refuse(f"{path}.type", "must be text, json_object or json_schema")
    schema = mapping(fields.get("json_schema"), f"{path}.json_schema")
    text = check_json_schema(schema.get("schema"), f"{path}.json_schema.schema")
    check_strict(schema.get("strict"), schema["schema"], f"{path}.json_schema")
    return text


def check_strict(strict: Any, schema: dict[str, Any], path: str) -> None:
    """Refuse a strict schema with a keyword that would not be enforced; the others always are."""
    if strict is None or not boolean(strict, f"{path}.strict"):
        return
    if keyword := unenforced(schema):
        refuse(f"{path}.strict", f"cannot be promised: {keyword} is not enforced")


def sampling_defaults(config: SamplingConfig) -> dict[str, Any]:
    """The server's sampling settings as fields of the core's SamplingParams."""
    last_n = config.repeat_last_n
    dry_last_n = config.dry_penalty_last_n
    return {
        "seed": config.seed,
        "samplers": list(config.samplers),
        "temperature": config.temperature,
        "dynatemp_range": config.dynatemp_range,
        "dynatemp_exponent": config.dynatemp_exponent,
        "top_k": config.top_k,
        "top_p": config.top_p,
        "min_p": config.min_p,
        "typical_p": config.typical_p,
        "top_n_sigma": config.top_n_sigma,
        "xtc_probability": config.xtc_probability,
        "xtc_threshold": config.xtc_threshold,
        "mirostat": config.mirostat,
        "mirostat_tau": config.mirostat_tau,
        "mirostat_eta": config.mirostat_eta,
        "repeat_last_n": -1 if last_n is None else last_n,
        "repeat_penalty": config.repeat_penalty,
        "frequency_penalty": config.frequency_penalty,
        "presence_penalty": config.presence_penalty,
        "dry_multiplier": config.dry_multiplier,
        "dry_base": config.dry_base,
        "dry_allowed_length": config.dry_allowed_length,
        "dry_penalty_last_n": -1 if dry_last_n is None else dry_last_n,
        "dry_sequence_breakers": list(config.dry_sequence_breakers),
        "logit_bias": config.logit_bias,
    }


def sampling_params(
    core: CoreModule, config: SamplingConfig, values: dict[str, dict[str, Any]]
) -> _core.SamplingParams:
    """The request's settings over the server's.

    Raises InvalidArgumentError when the request has more than one constraint.
    """
    settings = {**sampling_defaults(config), **values["sampling"]}
    settings["logit_bias"] = [_core_bias(core, key, bias) for key, bias in settings["logit_bias"]]
    constraint = _constraint(config, values)
    if constraint.get("grammar"):
        settings["grammar"] = core.Grammar(text=constraint["grammar"], text_only=True)
    return core.SamplingParams(json_schema=answer_schema(config, values), **settings)


def answer_schema(config: SamplingConfig, values: dict[str, dict[str, Any]]) -> str:
    """The JSON schema that an answer follows, the request's or the server's; empty for none.

    Raises InvalidArgumentError when the request has more than one constraint.
    """
    constraint = _constraint(config, values)
    return constraint.get("json_schema") or constraint.get("response_format") or ""


def _constraint(config: SamplingConfig, values: dict[str, dict[str, Any]]) -> dict[str, str]:
    constraint = {k: v for k, v in values["constraint"].items() if v is not None}
    if len(constraint) > 1:
        first, second = list(constraint)[:2]
        refuse(second, f"cannot be combined with {first}")
    return constraint or {"grammar": config.grammar, "json_schema": config.json_schema}


def schema_field(values: dict[str, dict[str, Any]]) -> str:
    """The field of the request that its JSON schema came from."""
    return "response_format" if values["constraint"].get("response_format") else "json_schema"


def _core_bias(core: CoreModule, key: int | str, bias: float | None) -> _core.LogitBias:
    value = -math.inf if bias is None else bias
    if isinstance(key, str):
        return core.LogitBias(text=key, bias=value)
    return core.LogitBias(token=key, bias=value)


_BIAS = {"anyOf": [{"type": "number", "minimum": -100, "maximum": 100}, {"const": False}]}
_BIASED = {"anyOf": [schema_of(name(MAX_BIAS_BYTES)), schema_of(integer(0, INT32_MAX))]}
described(
    check_samplers,
    {
        "anyOf": [
            {
                "type": "array",
                "maxItems": MAX_SAMPLERS,
                "items": {"type": "string", "enum": list(SAMPLERS)},
            },
            {"type": "string", "maxLength": 256},
        ]
    },
)
described(
    check_breakers,
    {"type": "array", "maxItems": MAX_BREAKERS, "items": schema_of(name(MAX_BREAKER_BYTES))},
)
described(
    check_logit_bias,
    {
        "anyOf": [
            {"type": "object", "maxProperties": MAX_BIASES, "additionalProperties": _BIAS},
            {
                "type": "array",
                "maxItems": MAX_BIASES,
                "items": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "prefixItems": [_BIASED, _BIAS],
                },
            },
        ]
    },
)
described(check_json_schema, {"type": "object"})
described(
    check_response_format,
    {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": ["text", "json_object", "json_schema"]},
            "schema": {"type": ["object", "null"]},
            "json_schema": {
                "type": "object",
                "required": ["schema"],
                "properties": {
                    "name": {"type": "string"},
                    "schema": {"type": "object"},
                    "strict": {"type": ["boolean", "null"]},
                },
            },
        },
    },
)
