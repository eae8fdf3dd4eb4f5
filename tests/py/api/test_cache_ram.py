"""Chats that KV has no room for come back from RAM, with the answers they had."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from box_process import TIMEOUT_S, Box
from llamabox.models import DEMO_MODEL

# With flash attention the CPU sums in half precision, in the order of the cells: then it matters to
# near ties where a prompt lies.
_BASE = ("-m", str(DEMO_MODEL), "-c", "512", "-np", "2", "--poll", "0", "--no-flash-attn")
_WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
_PROMPTS = [f"{word}: " + " ".join(_WORDS[at:] * 6) for at, word in enumerate(_WORDS[:6])]


def ask(server: Box, prompt: str) -> dict[str, Any]:
    body = json.dumps({"prompt": prompt, "max_tokens": 4, "temperature": 0}).encode()
    url = f"http://127.0.0.1:{server.port}/v1/completions"
    with urllib.request.urlopen(url, body, timeout=TIMEOUT_S) as reply:
        answer: dict[str, Any] = json.load(reply)
    return answer


def rounds(*words: str) -> tuple[list[str], list[int], list[int]]:
    """What is said to all prompts in turn, twice; and the cached tokens of the second time."""
    server = Box(*_BASE, *words)
    try:
        texts = [ask(server, prompt)["choices"][0]["text"] for prompt in _PROMPTS]
        again = [ask(server, prompt) for prompt in _PROMPTS]
    finally:
        assert server.stop() == 0
    texts += [answer["choices"][0]["text"] for answer in again]
    usages = [answer["usage"] for answer in again]
    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in usages]
    return texts, cached, [usage["prompt_tokens"] for usage in usages]


def test_chats_come_back_from_ram() -> None:
    texts, cached, n_prompt = rounds("--cache-ram", "64")
    assert sum(n_prompt) > 512
    assert cached == [n - 1 for n in n_prompt]
    plain, cold, _ = rounds("--cache-ram", "0")
    assert texts == plain
    assert sum(cold) < sum(cached) // 2
