"""Conversations in which tools are offered, called and answered."""

from __future__ import annotations

import json
import random
from typing import Any

from demo_model import phrases, words
from demo_model.chats import any_pair, made_up_word, some_system
from demo_model.document import Document, Message, Tool, assistant, calls, chat, user

PLACE_NAMES = ("city", "location", "city", "place")

# Tool name variants, description, and the words of a description that may be left out.
FAMILIES: dict[str, tuple[tuple[str, ...], str]] = {
    "weather": (("get_weather", "get_current_weather", "weather"), "Get the weather in a city."),
    "time": (("get_time", "get_current_time"), "Get the time in a city."),
    "add": (("add", "add_numbers", "sum"), "Add two numbers."),
    "email": (("send_email", "send_message"), "Send a message to a person."),
    "search": (("search", "web_search", "lookup"), "Search for something."),
    "alarm": (("set_alarm", "set_timer"), "Set an alarm."),
    "dice": (("roll_dice", "roll_die"), "Roll a die."),
}


# What only a tool can do; the model says so when it has none.
OUTSIDE = ("weather", "time", "email", "search", "alarm")


def schema(rng: random.Random, fields: dict[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    described = rng.random() < 0.3
    for name, kind in fields.items():
        properties[name] = {"type": kind}
        if described:
            properties[name]["description"] = f"The {name}"
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.8:
        made["required"] = list(fields)
    if rng.random() < 0.1:
        made["additionalProperties"] = False
    return made


def offer(rng: random.Random, family: str) -> tuple[Tool, str, list[str]]:
    """A tool of the family: its JSON, its name and the names of its arguments."""
    names, description = FAMILIES[family]
    name = names[0] if rng.random() < 0.6 else rng.choice(names)
    fields = {
        "weather": {rng.choice(PLACE_NAMES): "string"},
        "time": {rng.choice(PLACE_NAMES): "string"},
        "add": {"a": "integer", "b": "integer"},
        "email": {"to": "string", "text": "string"},
        "search": {"query": "string"},
        "alarm": {"hour": "integer"},
        "dice": {"sides": "integer"},
    }[family]
    # Exactly these three keys: upstream's template code fills in an empty description.
    function = {
        "name": name,
        "description": rng.choices((description, description[:-1], ""), (5, 2, 3))[0],
        "parameters": schema(rng, fields),
    }
    return {"type": "function", "function": function}, name, list(fields)


def some_city(rng: random.Random) -> str:
    return rng.choice(words.CITIES) if rng.random() < 0.75 else made_up_word(rng)


def ask(rng: random.Random, family: str) -> tuple[str, list[Any], list[str]]:
    """A question for the family, the argument values, and possible last answers after a result."""
    if family == "weather":
        city = some_city(rng)
        form = rng.choice(
            (
                "What is the weather in {}?",
                "What is the weather like in {}?",
                "How is the weather in {}?",
                "What's the weather in {}?",
                "Tell me the weather in {}.",
                "What's the weather like in {}?",
            )
        )
        sky, degrees = rng.choice(words.SKIES), rng.randint(1, 35)
        return (
            form.format(city),
            [city],
            [
                json.dumps({"sky": sky, "temperature": degrees}),
                f"It is {sky} and {degrees} degrees in {city}.",
            ],
        )
    if family == "time":
        city, clock = some_city(rng), f"{rng.randint(1, 12)}:{rng.randint(10, 59)}"
        form = rng.choice(("What time is it in {}?", "What is the time in {}?"))
        return form.format(city), [city], [json.dumps({"time": clock}), f"It is {clock} in {city}."]
    if family == "add":
        a, b = rng.randint(10, 999), rng.randint(10, 999)
        form = rng.choice(("What is {} + {}?", "Add {} and {}.", "Use the tool: {} + {}"))
        return form.format(a, b), [a, b], [str(a + b), f"The result is {a + b}."]
    if family == "email":
        name, text = rng.choice(words.PEOPLE), " ".join(rng.sample(words.NOUNS, rng.randint(1, 4)))
        return f"Send {name} the message: {text}", [name, text], ["sent", f"I sent it to {name}."]
    if family == "search":
        text = " ".join(rng.sample(words.NOUNS, rng.randint(1, 3)))
        return f"Search for {text}.", [text], [f"{text} found", f"I found this: {text} found"]
    if family == "alarm":
        hour = rng.randint(1, 23)
        return f"Set an alarm for {hour}.", [hour], ["ok", f"The alarm is set for {hour}."]
    sides, rolled = rng.randint(4, 20), rng.randint(1, 20)
    return f"Roll a die with {sides} sides.", [sides], [str(rolled), f"You rolled a {rolled}."]


def without_tool(rng: random.Random) -> Document:
    question = ask(rng, rng.choices(OUTSIDE, (4, 2, 1, 1, 1))[0])[0]
    return chat([*some_system(rng, 0.3), user(question), assistant(phrases.NO_TOOL)])


def tool_use(rng: random.Random) -> Document:
    """One to four tools on offer; the question fits one of them, or sometimes none."""
    families = list(FAMILIES)
    weights = [3, 1.5, 1, 1, 1, 0.7, 0.7]
    main = rng.choices(families, weights)[0]
    n_others = rng.choices((0, 1, 2, 3), (4, 3, 2, 1))[0]
    others = rng.sample([family for family in families if family != main], n_others)
    offered = {family: offer(rng, family) for family in [main, *others]}
    order = list(offered.values())
    rng.shuffle(order)
    tools = [tool for tool, _, _ in order]
    messages: list[Message] = some_system(rng, 0.4)
    if rng.random() < 0.2:
        question, answer = _pair_without_tool(rng, offered)
        messages += [user(question), assistant(answer)]
        if rng.random() < 0.6:
            return chat(messages, tools)
    _, name, fields = offered[main]
    question, values, (result, answer) = ask(rng, main)
    n_calls = 2 if main in ("weather", "time") and rng.random() < 0.15 else 1
    if n_calls == 2:
        return _two_calls(rng, messages, tools, (main, name, fields[0]))
    messages += [user(question), calls((name, dict(zip(fields, values, strict=True))))]
    if rng.random() < 0.5:
        messages += [{"role": "tool", "content": result}, assistant(answer)]
    return chat(messages, tools)


def _pair_without_tool(rng: random.Random, offered: dict[str, Any]) -> tuple[str, str]:
    missing = [family for family in OUTSIDE if family not in offered]
    if missing and rng.random() < 0.4:
        return ask(rng, rng.choice(missing))[0], phrases.NO_TOOL
    while True:
        question, answer = any_pair(rng)
        if "add" in offered and (answer[:1].isdigit() or answer == phrases.TOO_BIG):
            continue
        if "dice" in offered and "die" in question:
            continue
        return question, answer


def _two_calls(
    rng: random.Random, messages: list[Message], tools: list[Tool], target: tuple[str, str, str]
) -> Document:
    family, name, field = target
    one, other = rng.sample(words.CITIES, 2)
    messages.append(user(f"What is the {family} in {one} and {other}?"))
    messages.append(calls((name, {field: one}), (name, {field: other})))
    if rng.random() < 0.5:
        first, second = rng.sample(words.SKIES, 2)
        if family == "weather":
            messages += [
                {"role": "tool", "content": json.dumps({"sky": sky})} for sky in (first, second)
            ]
            messages.append(assistant(f"It is {first} in {one} and {second} in {other}."))
    return chat(messages, tools)
