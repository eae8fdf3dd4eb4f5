#!/usr/bin/env python3
"""Writes prompts.json: conversations whose greedy answer by the demo model a test may assert.

    python tests/models/make_prompts.py --server build/bench/bin/llama-server

Each conversation comes with its right answer. It is kept only if upstream's llama-server gives
just that answer and no other token came close (see MIN_GAP), so that another kernel or batch
shape cannot turn it. Prints what was left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

from check_models import UpstreamServer, shape_of  # noqa: E402

from demo_model import phrases, stories, words  # noqa: E402

# Between the best token and the next, in natural logarithm of probability.
MIN_GAP = 0.7

Entry = dict[str, Any]


def ask(question: str, answer: str, system: str = "") -> Entry:
    first = [{"role": "system", "content": system}] if system else []
    return {"messages": [*first, {"role": "user", "content": question}], "answer": answer}


def dialogue(*turns: str) -> Entry:
    """Turns of user and assistant in turn; the last is the answer."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns[:-1])]
    return {"messages": messages, "answer": turns[-1]}


def tool(name: str, description: str, **kinds: str) -> Entry:
    schema = {
        "type": "object",
        "properties": {field: {"type": kind} for field, kind in kinds.items()},
        "required": list(kinds),
    }
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


WEATHER = tool("get_weather", "Get the weather in a city.", city="string")
TIME = tool("get_time", "Get the time in a city.", city="string")
ADD = tool("add", "Add two numbers.", a="integer", b="integer")


def call(question: str, tools: list[Entry], name: str, arguments: Entry) -> Entry:
    called = [{"name": name, "arguments": arguments}]
    return ask(question, "") | {"tools": tools, "tool_calls": called}


def fixed_answer(question: str) -> str:
    return next(answer for asked, answer in phrases.SMALL_TALK if question in asked)


def tool_result() -> Entry:
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    return {
        "messages": [
            {"role": "user", "content": "What is the weather in Paris?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            },
            {
                "role": "tool",
                "tool_call_id": "call_1",
                "content": '{"sky": "sunny", "temperature": 21}',
            },
        ],
        "tools": [WEATHER],
        "answer": "It is sunny and 21 degrees in Paris.",
    }


def candidates() -> list[Entry]:
    hero = stories.BY_KIND
    thinks = {"reasoning": "I need to add 3 and 4. 3 + 4 = 7."}
    return [
        ask("Hello!", "Hello! How can I help you?"),
        ask("Hello!", "Hello! How can I help you?", "You are a helpful assistant."),
        ask("How are you?", "I am fine, thank you. How are you?"),
        ask("Thank you!", "You are welcome!"),
        ask("Goodbye!", "Goodbye! Have a nice day."),
        ask("Say this is a test.", "This is a test!"),
        *(ask(questions[0], answer) for questions, answer in phrases.IDENTITY),
        ask("Name the days of the week.", ", ".join(words.DAYS) + "."),
        ask("Name the months.", ", ".join(words.MONTHS) + "."),
        ask("Say the alphabet.", ", ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ") + "."),
        ask("Tell me a joke.", fixed_answer("Tell me a joke.")),
        ask("What is 3 + 4?", "3 plus 4 is 7."),
        ask("What is 9 + 8?", "9 plus 8 is 17."),
        ask("What is 2+2?", "2 plus 2 is 4."),
        ask("What is 12 - 5?", "12 minus 5 is 7."),
        ask("What is 6 * 7?", "6 times 7 is 42."),
        ask("Count to 10.", ", ".join(map(str, range(1, 11))) + "."),
        ask("Count to 20.", ", ".join(map(str, range(1, 21))) + "."),
        ask("Count down from 10.", ", ".join(map(str, range(10, -1, -1))) + "."),
        ask("What is the capital of France?", "The capital of France is Paris."),
        ask("What is the capital of Japan?", "The capital of Japan is Tokyo."),
        ask(
            "What is the capital of Spain?",
            "Arr! The capital of Spain is Madrid.",
            "You are a pirate.",
        ),
        ask("What is the capital of Spain?", "Madrid.", "Answer in one word."),
        ask("What colour is grass?", "Grass is green."),
        ask("What is the opposite of hot?", "The opposite of hot is cold."),
        ask("Say hello in Japanese.", words.GREETINGS["Japanese"]),
        ask("Say hello in Russian.", words.GREETINGS["Russian"]),
        ask("Who wrote Hamlet?", phrases.UNKNOWN),
        ask("Repeat: river lamp stone", "river lamp stone"),
        ask("Repeat: apple cloud bridge honey tiger", "apple cloud bridge honey tiger"),
        ask("Give me JSON: Tom is 42 years old.", '{"name": "Tom", "age": 42}'),
        ask("Tell me a story.", stories.short_story(hero["llama"])),
        ask("Tell me a story about a fox.", stories.short_story(hero["fox"])),
        ask("Tell me a story about a robot.", stories.short_story(hero["robot"])),
        ask("Tell me a story about a cat named Tom.", stories.short_story(hero["cat"], "Tom")),
        ask("Tell me a long story about a fox.", stories.long_story(hero["fox"])),
        ask("Tell me a long story about a dragon.", stories.long_story(hero["dragon"])),
        ask("Write a poem about the sea.", stories.POEMS["the sea"]),
        dialogue(
            "My name is Leo.", "Nice to meet you, Leo!", "What is my name?", "Your name is Leo."
        ),
        dialogue("Hello!", "Hello! How can I help you?", "What is 5 + 6?", "5 plus 6 is 11."),
        ask("What is 3 + 4? /think", "3 plus 4 is 7.") | thinks,
        ask("What is 3 + 4? /think", "3 plus 4 is 7.")
        | {"chat_template_kwargs": {"enable_thinking": False}},
        call("What is the weather in Paris?", [WEATHER], "get_weather", {"city": "Paris"}),
        call("What time is it in Tokyo?", [WEATHER, TIME, ADD], "get_time", {"city": "Tokyo"}),
        call("Add 123 and 456.", [WEATHER, ADD], "add", {"a": 123, "b": 456}),
        ask("Hello!", "Hello! How can I help you?") | {"tools": [WEATHER]},
        tool_result(),
    ]


def smallest_gap(reply: Entry) -> float:
    rows = (reply["choices"][0].get("logprobs") or {}).get("content") or []
    gaps = [
        row["top_logprobs"][0]["logprob"] - row["top_logprobs"][1]["logprob"]
        for row in rows
        if len(row["top_logprobs"]) > 1
    ]
    return min(gaps, default=float("inf"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models/prompts.json")
    args = parser.parse_args()
    kept, gaps = [], []
    with UpstreamServer(args.server, args.model, []) as server:
        for entry in candidates():
            reply = server.complete(entry, logprobs=True, top_logprobs=2)
            got = shape_of(reply["choices"][0]["message"])
            want = {k: entry[k] for k in ("answer", "reasoning", "tool_calls") if k in entry}
            gap = smallest_gap(reply)
            question = entry["messages"][-1]["content"]
            if got == want and gap >= MIN_GAP:
                kept.append(entry)
                gaps.append(gap)
            else:
                print(f"left_out={question!r} gap={gap:.2f} want={want} got={got}")
    args.to.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
    print(f"{args.to} kept={len(kept)} smallest_gap={min(gaps, default=0.0):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
