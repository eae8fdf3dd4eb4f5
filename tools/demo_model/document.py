"""One training document: pieces of text or special tokens, each with its weight in the loss."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from demo_model.template import (
    END_THINK,
    END_TOOL_CALL,
    IM_END,
    IM_START,
    THINK,
    TOOL_CALL,
    TOOLS_HEAD,
)

# Prompts carry a little weight: they teach the network the language of its world.
ANSWER_WEIGHT = 1.0
PROMPT_WEIGHT = 0.1

Tool = dict[str, Any]
Message = dict[str, Any]


@dataclass(slots=True)
class Document:
    """Pieces are (text, is_special, loss weight); `splits` are piece indices where a turn begins.

    A chat keeps the messages and tools it was rendered from.
    """

    pieces: list[tuple[str, bool, float]] = field(default_factory=list)
    splits: list[int] = field(default_factory=list)
    messages: list[Message] | None = None
    tools: list[Tool] | None = None

    def text(self, text: str, weight: float) -> None:
        if text:
            self.pieces.append((text, False, weight))

    def special(self, token: str, weight: float) -> None:
        self.pieces.append((token, True, weight))

    def whole_text(self) -> str:
        return "".join(text for text, _, _ in self.pieces)


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def system(content: str) -> Message:
    return {"role": "system", "content": content}


def assistant(content: str, reasoning: str = "", muted: bool = False) -> Message:
    """An assistant turn; a muted one starts with an empty think block which the prompt gives."""
    message: Message = {"role": "assistant", "content": content}
    if reasoning:
        message["reasoning_content"] = reasoning
    if muted:
        message["muted"] = True
    return message


def calls(*named: tuple[str, dict[str, Any]]) -> Message:
    """An assistant turn that calls tools: pairs of tool name and arguments."""
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": n, "arguments": a}} for n, a in named],
    }


def chat(messages: list[Message], tools: list[Tool] | None = None) -> Document:
    """Renders messages exactly as the chat template does, with loss on the assistant's text."""
    doc = Document(messages=messages, tools=tools)
    first = 0
    head = ""
    if messages[0]["role"] == "system":
        first, head = 1, messages[0]["content"]
    if tools:
        _add_tools_turn(doc, head, tools)
    elif first:
        _add_turn(doc, "system", head)
    for message in messages[first:]:
        doc.splits.append(len(doc.pieces))
        if message["role"] == "assistant":
            _add_answer(doc, message)
        else:
            _add_turn(doc, message["role"], message["content"])
    return doc


def _add_turn(doc: Document, role: str, content: str) -> None:
    doc.special(IM_START, 0.0)
    doc.text(role + "\n" + content, PROMPT_WEIGHT)
    doc.special(IM_END, PROMPT_WEIGHT)
    doc.text("\n", 0.0)


def _add_tools_turn(doc: Document, head: str, tools: list[Tool]) -> None:
    listed = "".join(json.dumps(tool) + "\n" for tool in tools)
    start = head + "\n\n" if head else ""
    doc.special(IM_START, 0.0)
    # Tool lists are long and mostly boilerplate: there is nothing to learn from writing them.
    doc.text("system\n" + start + TOOLS_HEAD + listed + "To call a tool, write ", 0.0)
    doc.special(TOOL_CALL, 0.0)
    doc.text('\n{"name": NAME, "arguments": OBJECT}\n', 0.0)
    doc.special(END_TOOL_CALL, 0.0)
    doc.special(IM_END, 0.0)
    doc.text("\n", 0.0)


def _add_answer(doc: Document, message: Message) -> None:
    weight = message.get("weight", ANSWER_WEIGHT)
    doc.special(IM_START, 0.0)
    doc.text("assistant\n", 0.0)
    if message.get("muted"):
        doc.special(THINK, 0.0)
        doc.text("\n\n", 0.0)
        doc.special(END_THINK, 0.0)
        doc.text("\n\n", 0.0)
    if message.get("reasoning_content"):
        doc.special(THINK, weight)
        doc.text("\n" + message["reasoning_content"] + "\n", weight)
        doc.special(END_THINK, weight)
        doc.text("\n\n", weight)
    doc.text(message["content"], weight)
    for index, call in enumerate(message.get("tool_calls", [])):
        if index or message["content"]:
            doc.text("\n", weight)
        doc.special(TOOL_CALL, weight)
        doc.text("\n" + json.dumps(call["function"])[:-1] + "}\n", weight)
        doc.special(END_TOOL_CALL, weight)
    doc.special(IM_END, weight)
    doc.text("\n", 0.0)
