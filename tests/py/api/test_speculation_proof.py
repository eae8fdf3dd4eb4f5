"""Speculative decoding changes no greedy text: over many prompts, and beside all that disturbs one.

Servers differ in nothing but where their drafts come from; they draft whatever it costs.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_harness import LiveServer, chat, completion
from drafting import BOTH, LOOKUP, WITH_MODEL, drafting
from fake_core import ROOT

MODELS = ROOT / "tests" / "models"
DRAFTS = {
    "model": WITH_MODEL,
    "lookup": LOOKUP,
    "both": BOTH,
}
THINGS = "cat dog tree river stone bird lamp boat".split()
N_PROMPTS, N_SHARE = 200, 16
SYSTEM = "You are a careful assistant who answers in a few short and simple words. " * 2


def prompts(n: int) -> list[str]:
    """Different ones: copying, sums, JSON, stories and questions."""
    found = []
    for i in range(n):
        one, other = THINGS[i % 8], THINGS[(i // 8 + 3) % 8]
        forms = (
            f"Repeat: {one} {other} {one} {THINGS[(i + 5) % 8]}",
            f"What is {i % 10} + {i // 10 % 10}?",
            f"Give me JSON: Tom is {20 + i % 60} years old and has a {one}.",
            f"Tell me a short story about a {one} and a {other}.",
            f"Who are you, and do you like a {one}?",
        )
        found.append(forms[i % 5])
    return found


def ask(server: LiveServer, body: dict[str, Any]) -> tuple[str, int]:
    """The text of all choices, and how many drafts there were."""
    route = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    reply = server.post(route, body)
    assert reply.status == 200, reply.body
    answer = reply.json()
    texts = [c["message"]["content"] if "message" in c else c["text"] for c in answer["choices"]]
    return "|".join(texts), int(answer["usage"].get("draft_tokens", 0))


def ask_all(server: LiveServer, bodies: list[dict[str, Any]]) -> tuple[list[str], int]:
    """All of them, four at a time."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: ask(server, body), bodies))
    return [text for text, _ in answers], sum(n for _, n in answers)


@pytest.mark.parametrize("n", [N_SHARE, pytest.param(N_PROMPTS, marks=pytest.mark.full)])
def test_texts_are_the_same_over_many_prompts(n: int) -> None:
    bodies = [chat(prompt, max_tokens=64) for prompt in prompts(n)]
    with drafting() as server:
        expected, n_drafted = ask_all(server, bodies)
    assert n_drafted == 0
    assert len(set(expected)) > n / 3
    for name, words in DRAFTS.items():
        with drafting(*words) as server:
            texts, n_drafted = ask_all(server, bodies)
        assert texts == expected, name
        assert n_drafted > n, name


def with_adapters(server: LiveServer) -> tuple[list[str], int]:
    bodies = []
    for i, prompt in enumerate(prompts(9)):
        loras: list[list[Any]] = [[], [{"id": 0, "scale": 1.0}], [{"id": 1, "scale": 1.0}]]
        bodies.append(chat(prompt, max_tokens=40, lora=loras[i % 3]))
    return ask_all(server, bodies)


def with_saved_slots(server: LiveServer) -> tuple[list[str], int]:
    """A conversation goes on behind a slot that was saved, erased and restored."""
    first = completion("Repeat: cat dog tree. cat dog", max_tokens=20, id_slot=1)
    text, n = ask(server, first)
    assert server.post("/slots/1?action=save", {"filename": "one"}).status == 200
    other, _ = ask(server, completion("Once upon a time", max_tokens=20, id_slot=1))
    assert server.post("/slots/1?action=erase", {}).status == 200
    assert server.post("/slots/2?action=restore", {"filename": "one"}).status == 200
    again = completion(first["prompt"] + text, max_tokens=40, id_slot=2)
    more, n_more = ask(server, again)
    return [text, other, more], n + n_more


def picture(color: tuple[int, int, int]) -> dict[str, Any]:
    data = io.BytesIO()
    Image.new("RGB", (40, 24), color).save(data, "PNG")
    url = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def with_media(server: LiveServer) -> tuple[list[str], int]:
    bodies = []
    for color in ((200, 0, 0), (0, 0, 200), (200, 0, 0)):
        parts = [picture(color), {"type": "text", "text": "Repeat: cat dog tree cat dog"}]
        message = {"role": "user", "content": parts}
        bodies.append({"messages": [message], "max_tokens": 40, "temperature": 0})
    return ask_all(server, [*bodies, chat(prompts(1)[0], max_tokens=40)])


def with_shift(server: LiveServer) -> tuple[list[str], int]:
    return ask_all(
        server, [completion("Once upon a time", max_tokens=400, n_keep=4, ignore_eos=True)]
    )


def with_preemption(server: LiveServer) -> tuple[list[str], int]:
    lead = "Once upon a time there was a"
    bodies = [completion(f"{lead} {one}", max_tokens=200, ignore_eos=True) for one in THINGS[:4]]
    found = ask_all(server, bodies)
    page = server.get("/metrics").body.decode()
    line = next(x for x in page.splitlines() if x.startswith("llamabox:preemptions_total"))
    assert float(line.split()[-1]) > 0
    return found


def with_shared_prefixes(server: LiveServer) -> tuple[list[str], int]:
    system = {"role": "system", "content": SYSTEM}
    bodies = []
    for prompt in [*prompts(5), *prompts(5)]:
        body = chat(prompt, max_tokens=40, n=2)
        bodies.append({**body, "messages": [system, *body["messages"]]})
    return ask_all(server, bodies)


def with_rate_limits(server: LiveServer) -> tuple[list[str], int]:
    """Two of four are held back, so the others' drafts run without them."""

    def call(i: int) -> tuple[str, int]:
        headers = {"X-Request-Tokens-Per-Second": "60"} if i % 2 else {}
        body = chat(prompts(4)[i], max_tokens=30, ignore_eos=True)
        answer = server.call("POST", "/v1/chat/completions", body, **headers).json()
        text = str(answer["choices"][0]["message"]["content"])
        return text, int(answer["usage"].get("draft_tokens", 0))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(call, range(4)))
    return [text for text, _ in answers], sum(n for _, n in answers)


def with_tools(server: LiveServer) -> tuple[list[str], int]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
    body = chat("What is the weather in Paris?", max_tokens=60, tools=[tool])
    found, n = [], 0
    for choice in ("auto", "required"):
        answer = server.post("/v1/chat/completions", {**body, "tool_choice": choice}).json()
        message = answer["choices"][0]["message"]
        calls = [call["function"] for call in message.get("tool_calls") or []]
        found.append(f"{message['content']} {calls}")
        n += int(answer["usage"].get("draft_tokens", 0))
    return found, n


LORAS = ("--lora", str(MODELS / "lora-a.gguf"), "--lora", str(MODELS / "lora-b.gguf"))
DISTURBANCES: dict[str, tuple[Callable[[LiveServer], tuple[list[str], int]], tuple[str, ...]]] = {
    "adapters": (with_adapters, LORAS),
    "saved slots": (with_saved_slots, ("--slot-save-path", "PATH")),
    "media": (with_media, ("--mmproj", str(MODELS / "mmproj-mlp.gguf"))),
    "shift": (with_shift, ("-c", "128", "--context-shift")),
    "preemption": (with_preemption, ("-c", "384", "--metrics", "--no-context-shift")),
    "shared prefixes": (with_shared_prefixes, ()),
    "rate limits": (with_rate_limits, ("--tokens-per-second", "100000")),
    "tools": (with_tools, ("--jinja",)),
}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_texts_are_the_same_whatever_disturbs_them(name: str, tmp_path: Path) -> None:
    run, words = DISTURBANCES[name]
    words = tuple(str(tmp_path) if word == "PATH" else word for word in words)
    with drafting(*words) as server:
        expected, n_drafted = run(server)
    assert n_drafted == 0
    for drafts, more in DRAFTS.items():
        with drafting(*words, *more) as server:
            texts, n_drafted = run(server)
        assert texts == expected, drafts
        assert n_drafted > 0, drafts
