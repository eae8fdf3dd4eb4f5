"""Each field of a generating route changes the answer: asked with it and without it.

The rows of tests/spec/compatibility.tsv that have no better test name these; tools/check_compat
shows that each fails when its field is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import WEATHER, LiveServer, Reply
from fake_core import ROOT
from real_core import demo_config, demo_engine
from sampling_cases import GREEDY, N_TOKENS, PROMPT, SAMPLING, Case

LORA = str(ROOT / "tests/models/lora-a.gguf")
CHAT, COMPLETION, NATIVE = "/v1/chat/completions", "/v1/completions", "/completion"
INFILL, TEMPLATE = "/infill", "/apply-template"
ROUTES = (CHAT, COMPLETION, NATIVE, INFILL, TEMPLATE)
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}

# Fields of all four routes beyond the sampling ones.
_SHARED: dict[str, Case] = {
    "model": Case("another", GREEDY),
    "max_tokens": Case(2, GREEDY),
    "stop": Case(["e"], GREEDY),
    "lora": Case([{"id": 0, "scale": 4}], GREEDY),
    "ignore_eos": Case(True, {**GREEDY, "max_tokens": 200}),
    "response_format": Case({"type": "json_schema", "json_schema": {"schema": {"const": 5}}}),
    "stream": Case(True, GREEDY),
}
_CHOICES: dict[str, Case] = {
    "n": Case(2, GREEDY),
    "stream_options": Case({"include_usage": True}, {**GREEDY, "stream": True}),
    "n_probs": Case(2, GREEDY),
}
_THINK = {**GREEDY, "messages": [{"role": "user", "content": "What is 3 + 4? /think"}]}
_BEGUN = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hel"}]
_ASKED = {**GREEDY, "messages": [QUESTION]}
_OFFERED = {**_ASKED, "tools": [{"type": "function", "function": WEATHER}]}
_CONVERSATION: dict[str, Case] = {
    "tools": Case([{"type": "function", "function": WEATHER}], _ASKED),
    "tool_choice": Case("none", _OFFERED),
    "functions": Case([WEATHER], _ASKED),
    "function_call": Case("none", {**_ASKED, "functions": [WEATHER]}),
    "add_generation_prompt": Case(False, {**_ASKED, "max_tokens": 4}),
    "continue_final_message": Case(True, {**GREEDY, "messages": _BEGUN}),
    "chat_template_kwargs": Case({"enable_thinking": False}, _THINK),
    "enable_thinking": Case(False, _THINK),
    "reasoning_effort": Case("none", _THINK),
}
_BUDGETS = ("thinking_budget_tokens", "reasoning_budget_tokens", "reasoning_budget")
_NATIVE: dict[str, Case] = {
    **SAMPLING,
    **_SHARED,
    "n_predict": Case(2, GREEDY),
    "return_tokens": Case(True, GREEDY),
}
# Goes on calling unless one call is all there may be.
_CALLS = {**_OFFERED, "tool_choice": "required", "ignore_eos": True, "max_tokens": 100}
CASES: dict[str, dict[str, Case]] = {
    TEMPLATE: {**_CONVERSATION, **dict.fromkeys(_BUDGETS, Case(0, _THINK))},
    CHAT: {
        **SAMPLING,
        **_CONVERSATION,
        "parallel_tool_calls": Case(False, _CALLS),
        **_SHARED,
        **_CHOICES,
        "max_completion_tokens": Case(2, GREEDY),
        "logprobs": Case(True, GREEDY),
        "top_logprobs": Case(2, {**GREEDY, "logprobs": True}),
    },
    COMPLETION: {**SAMPLING, **_SHARED, **_CHOICES, "logprobs": Case(2, GREEDY)},
    NATIVE: _NATIVE,
    INFILL: _NATIVE,
}
NAMES = [f"{route} {name}" for route in ROUTES for name in CASES[route]]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    # One slot with cells of its own, so that a prompt that was asked before is in the same ones.
    config = demo_config(
        engine__n_slots=1,
        engine__kv_unified=False,
        engine__n_threads=1,
        adapters__loras=((LORA, 1.0),),
        adapters__apply_loras=False,
    )
    live = LiveServer(demo_engine(config), config)
    yield live
    live.close()


def ask(server: LiveServer, route: str, fields: dict[str, Any]) -> Any:
    """What a request says, without times and ids."""
    prompt: dict[str, Any] = {"prompt": PROMPT}
    if route in (CHAT, TEMPLATE):
        prompt = {"messages": [{"role": "user", "content": PROMPT}]}
    if route == INFILL:
        prompt = {"input_prefix": PROMPT, "input_suffix": ""}
    return seen(server.post(route, {**prompt, "max_tokens": N_TOKENS, "seed": 3, **fields}))


def seen(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    if reply.headers["Content-Type"] == "text/event-stream":
        return "stream", b'"usage":{' in reply.body
    body = reply.json()
    kept = ("model", "choices", "content", "stop_type", "tokens_predicted", "tokens", "prompt")
    found = {key: body[key] for key in kept if key in body}
    found["prompt_tokens"] = body.get("usage", {}).get("prompt_tokens")
    # The ids of calls are new each time.
    return re.sub(r'"id": "[^"]*"', "", json.dumps(found))


@pytest.mark.parametrize("case", NAMES)
def test_a_field_changes_the_answer(server: LiveServer, case: str) -> None:
    route, name = case.split()
    found = CASES[route][name]
    # From here on the prompt is in KV, so that only the field makes a difference.
    ask(server, route, found.base)
    plain = ask(server, route, found.base)
    assert ask(server, route, found.base) == plain
    assert ask(server, route, {**found.base, name: found.value}) != plain


def test_special_tokens_are_added_when_asked_for() -> None:
    add_bos = (("tokenizer.ggml.add_bos_token", True),)
    config = demo_config(engine__n_threads=1, placement__override_kv=add_bos)
    live = LiveServer(demo_engine(config), config)
    try:
        without, with_bos = (
            live.post("/tokenize", {"content": "ab", "add_special": added}).json()["tokens"]
            for added in (False, True)
        )
        assert with_bos[1:] == without
    finally:
        live.close()
