"""The fields of each route's request: one table of name, check and destination.

A field that is absent or null keeps its default: the server's sampling settings, else the default
of the value it goes to. Unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llamabox.api.checks import (
    INT32_MAX,
    Check,
    array,
    boolean,
    check_loras,
    described,
    integer,
    mapping,
    name,
    number,
    refuse,
    text,
    token_ids,
)
from llamabox.api.conversation import (
    check_budget,
    check_continuation,
    check_effort,
    check_kwargs,
    check_modalities,
    check_unavailable,
)
from llamabox.api.messages import check_messages
from llamabox.api.prompts import check_prompt
from llamabox.api.sampling_fields import (
    check_breakers,
    check_grammar,
    check_json_schema,
    check_logit_bias,
    check_response_format,
    check_samplers,
)
from llamabox.api.speculative import check_speculative
from llamabox.api.tools import (
    check_function_call,
    check_functions,
    check_tool_choice,
    check_tools,
)
from llamabox.slot_files import FILE_NAME

UINT32_MAX = 2**32 - 1
MAX_CHOICES = 16
MAX_STOPS = 16
MAX_STOP_BYTES = 256
MAX_MODEL_BYTES = 512
MAX_SALT_BYTES = 256
MAX_TOKENIZE_ITEMS = 65536
MAX_N_PROBS = 128


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request."""

    name: str
    check: Check
    # "group.name": the group is the value that the field becomes part of.
    target: str
    required: bool = False


def check_stop(value: Any, path: str) -> list[str]:
    """One stop string or several."""
    one = name(MAX_STOP_BYTES)
    if type(value) is str:
        return [one(value, path)]
    if type(value) is not list:
        refuse(path, "must be a string or an array of strings")
    items = array(value, path, 0, MAX_STOPS)
    return [one(item, f"{path}[{at}]") for at, item in enumerate(items)]


def check_seed(value: Any, path: str) -> int | None:
    """Any 64-bit number names a seed: larger ones than the sampler's are folded, -1 is random."""
    seed: int = integer(-(2**63), 2**63 - 1)(value, path)
    if seed in (-1, UINT32_MAX):
        return None
    # The last 32-bit number means "random" to the sampler, so that folding must not produce it.
    return seed if 0 <= seed < UINT32_MAX else seed % UINT32_MAX


def check_max_tokens(value: Any, path: str) -> int:
    """0 and -1 are "until the context is full", as llama-box has them."""
    max_tokens: int = integer(-1, INT32_MAX)(value, path)
    return max_tokens or -1


def check_top_k(value: Any, path: str) -> int:
    """0 and -1 are "off", the two spellings that servers use for it."""
    top_k: int = integer(-1, INT32_MAX)(value, path)
    return max(0, top_k)


def check_include_usage(value: Any, path: str) -> bool:
    """The one member of ``stream_options`` that there is."""
    include = mapping(value, path).get("include_usage")
    return include is not None and boolean(include, f"{path}.include_usage")


def check_content(value: Any, path: str) -> str | list[str | int]:
    """Text, or an array that mixes texts and token ids."""
    if type(value) is str:
        return value
    if type(value) is not list:
        refuse(path, "must be a string or an array of strings and token ids")
    for at, item in enumerate(array(value, path, 0, MAX_TOKENIZE_ITEMS)):
        if type(item) is not str:
            integer(0, INT32_MAX)(item, f"{path}[{at}]")
    return value


def check_file_name(value: Any, path: str) -> str:
    """A name that cannot lead out of a folder."""
    if not FILE_NAME.fullmatch(text(value, path)):
        refuse(path, "must be 1 to 128 letters, digits, '.', '_' and '-', not beginning with '.'")
    return str(value)


described(check_file_name, {"type": "string", "pattern": f"^{FILE_NAME.pattern}$"})
_STOP = {"type": "string", "minLength": 1, "maxLength": MAX_STOP_BYTES}
described(check_stop, {"anyOf": [_STOP, {"type": "array", "maxItems": MAX_STOPS, "items": _STOP}]})
described(check_seed, {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1})
described(check_max_tokens, {"type": "integer", "minimum": -1, "maximum": INT32_MAX})
described(check_top_k, {"type": "integer", "minimum": -1, "maximum": INT32_MAX})
described(
    check_include_usage,
    {"type": "object", "properties": {"include_usage": {"type": ["boolean", "null"]}}},
)
described(
    check_content,
    {
        "anyOf": [
            {"type": "string"},
            {
                "type": "array",
                "maxItems": MAX_TOKENIZE_ITEMS,
                "items": {
                    "anyOf": [
                        {"type": "string"},
                        {"type": "integer", "minimum": 0, "maximum": INT32_MAX},
                    ]
                },
            },
        ]
    },
)

# A slot that is preferred when it is free; -1 is any.
check_slot = integer(-1, INT32_MAX)

# From -1, which asks for the whole context.
_LOOK_BACK = integer(-1, INT32_MAX)

_SAMPLERS = (
    Field("samplers", check_samplers, "sampling.samplers"),
    Field("min_keep", integer(0, INT32_MAX), "sampling.min_keep"),
    Field("typical_p", number(0, 1), "sampling.typical_p"),
    Field("top_n_sigma", number(-1e6, 1e6), "sampling.top_n_sigma"),
    Field("xtc_probability", number(0, 1), "sampling.xtc_probability"),
    Field("xtc_threshold", number(0, 1), "sampling.xtc_threshold"),
    Field("dynatemp_range", number(0, 100), "sampling.dynatemp_range"),
    Field("dynatemp_exponent", number(0, 100), "sampling.dynatemp_exponent"),
    Field("mirostat", integer(0, 2), "sampling.mirostat"),
    Field("mirostat_tau", number(0, 1000), "sampling.mirostat_tau"),
    Field("mirostat_eta", number(0, 1000), "sampling.mirostat_eta"),
    Field("repeat_last_n", _LOOK_BACK, "sampling.repeat_last_n"),
    Field("repeat_penalty", number(0.01, 100), "sampling.repeat_penalty"),
    Field("dry_multiplier", number(0, 1e6), "sampling.dry_multiplier"),
    Field("dry_base", number(1, 1e6), "sampling.dry_base"),
    Field("dry_allowed_length", integer(0, INT32_MAX), "sampling.dry_allowed_length"),
    Field("dry_penalty_last_n", _LOOK_BACK, "sampling.dry_penalty_last_n"),
    Field("dry_sequence_breakers", check_breakers, "sampling.dry_sequence_breakers"),
    Field("logit_bias", check_logit_bias, "sampling.logit_bias"),
    Field("ignore_eos", boolean, "sampling.ignore_eos"),
)

_CONSTRAINTS = (
    Field("grammar", check_grammar, "constraint.grammar"),
    Field("json_schema", check_json_schema, "constraint.json_schema"),
    Field("response_format", check_response_format, "constraint.response_format"),
)

_MODEL = Field("model", name(MAX_MODEL_BYTES), "reply.model")

GENERATION = (
    _MODEL,
    Field("max_tokens", check_max_tokens, "generate.max_tokens"),
    Field("n", integer(1, MAX_CHOICES), "generate.n"),
    Field("stop", check_stop, "generate.stop"),
    Field("temperature", number(0, 100), "sampling.temperature"),
    Field("top_p", number(0, 1), "sampling.top_p"),
    Field("top_k", check_top_k, "sampling.top_k"),
    Field("min_p", number(0, 1), "sampling.min_p"),
    Field("seed", check_seed, "sampling.seed"),
    Field("frequency_penalty", number(-2, 2), "sampling.frequency_penalty"),
    Field("presence_penalty", number(-2, 2), "sampling.presence_penalty"),
    Field("lora", check_loras, "generate.loras"),
    Field("id_slot", check_slot, "generate.slot"),
    Field("n_keep", integer(-1, INT32_MAX), "generate.n_keep"),
    Field("n_cache_reuse", integer(0, INT32_MAX), "generate.n_cache_reuse"),
    Field("cache_salt", name(MAX_SALT_BYTES), "generate.cache_salt"),
    Field("speculative", check_speculative, "generate.n_draft_max"),
    *_SAMPLERS,
    *_CONSTRAINTS,
    Field("n_probs", integer(0, MAX_N_PROBS), "logprobs.n_probs"),
    Field("stream", boolean, "reply.stream"),
    Field("stream_options", check_include_usage, "reply.include_usage"),
)

# What a chat template reads.
_CONVERSATION = (
    Field("messages", check_messages, "prompt.messages", required=True),
    Field("tools", check_tools, "tools.tools"),
    Field("tool_choice", check_tool_choice, "tools.tool_choice"),
    Field("parallel_tool_calls", boolean, "tools.parallel_tool_calls"),
    Field("functions", check_functions, "tools.functions"),
    Field("function_call", check_function_call, "tools.function_call"),
    Field("add_generation_prompt", boolean, "prompt.add_generation_prompt"),
    Field("continue_final_message", check_continuation, "prompt.continuation"),
    Field("chat_template_kwargs", check_kwargs, "prompt.template_kwargs"),
    Field("enable_thinking", boolean, "prompt.enable_thinking"),
    Field("reasoning_effort", check_effort, "prompt.reasoning_effort"),
    # Three names that servers have for the same.
    Field("thinking_budget_tokens", check_budget, "prompt.thinking_budget"),
    Field("reasoning_budget_tokens", check_budget, "prompt.thinking_budget"),
    Field("reasoning_budget", check_budget, "prompt.thinking_budget"),
)

CHAT = (
    *_CONVERSATION,
    *GENERATION,
    Field("logprobs", boolean, "logprobs.wanted"),
    Field("top_logprobs", integer(0, 20), "logprobs.top"),
    # Later in the table than max_tokens, which it replaces.
    Field("max_completion_tokens", check_max_tokens, "generate.max_tokens"),
    Field("modalities", check_modalities, "none.modalities"),
    Field("audio", check_unavailable, "none.audio"),
    Field("web_search_options", check_unavailable, "none.web_search_options"),
)

COMPLETION = (
    Field("prompt", check_prompt, "prompt.prompts", required=True),
    *GENERATION,
    Field("logprobs", integer(0, 5), "logprobs.n"),
    Field("best_of", integer(1, MAX_CHOICES), "answer.best_of"),
    Field("echo", boolean, "answer.echo"),
    Field("suffix", text, "answer.suffix"),
)

TEMPLATE = (
    _MODEL,
    *_CONVERSATION,
)

TOKENIZE = (
    _MODEL,
    Field("content", check_content, "call.content", required=True),
    Field("add_special", boolean, "call.add_special"),
    Field("with_pieces", boolean, "call.with_pieces"),
)

DETOKENIZE = (
    _MODEL,
    Field("tokens", token_ids, "call.tokens", required=True),
)

SLOT_FILE = (Field("filename", check_file_name, "slot.filename"),)

Values = dict[str, dict[str, Any]]


def read_fields(body: dict[str, Any], table: Sequence[Field]) -> Values:
    """Return the values of the fields that are present, by group and name.

    Raises InvalidArgumentError, naming the field, for the first one that is missing or wrong.
    """
    values: Values = {field.target.partition(".")[0]: {} for field in table}
    for field in table:
        value = body.get(field.name)
        if value is not None:
            group, _, key = field.target.partition(".")
            values[group][key] = field.check(value, field.name)
        elif field.required:
            refuse(field.name, "is required")
    return values
