"""Documents which can only be answered by copying from the prompt, and raw text to continue."""

from __future__ import annotations

import json
import random

from demo_model import stories, words
from demo_model.chats import made_up_word, some_system, turns
from demo_model.document import Document, assistant, chat, system, user
from demo_model.template import (
    AUDIO_END,
    AUDIO_START,
    END_OF_TEXT,
    FIM_MIDDLE,
    FIM_PREFIX,
    FIM_SUFFIX,
    IM_END,
    IM_START,
    VISION_END,
    VISION_START,
)


def some_words(rng: random.Random, n: int) -> list[str]:
    return [rng.choice(words.NOUNS) if rng.random() < 0.8 else made_up_word(rng) for _ in range(n)]


def repeat(rng: random.Random) -> Document:
    pairs = []
    for _ in range(rng.choices((1, 2, 3), (4, 2, 1))[0]):
        text = " ".join(some_words(rng, rng.randint(1, 12)))
        pairs.append((rng.choice(("Repeat: ", "Repeat: ", "Say: ", "Echo: ")) + text, text))
    return chat(some_system(rng, 0.1) + turns(pairs))


def raw_repeat(rng: random.Random) -> Document:
    """A random sequence twice: the second half is learnt by copying alone."""
    doc = Document()
    text = " " + " ".join(some_words(rng, rng.randint(4, 24)))
    doc.text(text, 0.0)
    for _ in range(rng.randint(1, 2)):
        doc.text(text, 1.0)
    return doc


def needle(rng: random.Random) -> Document:
    n = rng.randint(2, 5)
    people, things = rng.sample(words.PEOPLE, n), rng.sample(words.THINGS, n)
    told = " ".join(f"{p} has the {t}." for p, t in zip(people, things, strict=True))
    pairs = []
    for index in rng.sample(range(n), rng.choice((1, 1, 2))):
        who, what = people[index], things[index]
        asked = f"Who has the {what}?" if rng.random() < 0.5 else f"What does {who} have?"
        pairs.append((asked, f"{who} has the {what}."))
    pairs[0] = (told + " " + pairs[0][0], pairs[0][1])
    return chat(turns(pairs))


def json_object(rng: random.Random) -> Document:
    name = rng.choice(words.PEOPLE) if rng.random() < 0.7 else made_up_word(rng)
    kind = rng.randrange(3)
    if kind == 0:
        age = rng.randint(1, 99)
        told, answer = f"{name} is {age} years old.", json.dumps({"name": name, "age": age})
    elif kind == 1:
        city = rng.choice(words.CITIES)
        told, answer = f"{name} lives in {city}.", json.dumps({"name": name, "city": city})
    else:
        thing, colour = rng.choice(words.THINGS), rng.choice(words.PLAIN_COLOURS)
        told = f"{name} has a {colour} {thing}."
        answer = json.dumps({"name": name, "thing": thing, "colour": colour})
    if rng.random() < 0.3:
        return chat([system("Answer in JSON."), user(told), assistant(answer)])
    return chat([*some_system(rng, 0.2), user(f"Give me JSON: {told}"), assistant(answer)])


def spelling(rng: random.Random) -> Document:
    pairs = []
    for word in some_words(rng, rng.randint(1, 3)):
        pairs.append((f"Spell {word}.", "-".join(word.upper())))
    return chat(turns(pairs))


def continuation(rng: random.Random) -> Document:
    """Raw text without chat marks: stories, numbers, facts."""
    doc = Document()
    kind = rng.randrange(4)
    if kind == 0:
        name = rng.choice(words.PEOPLE) if rng.random() < 0.2 else ""
        doc.text(stories.short_story(rng.choice(stories.HEROES), name), 1.0)
    elif kind == 1:
        first = rng.randint(0, 20)
        doc.text(", ".join(map(str, range(first, first + rng.randint(5, 30)))) + ".", 1.0)
    elif kind == 2:
        country, city = rng.choice(list(words.CAPITALS.items()))
        doc.text(f"The capital of {country} is {city}.", 1.0)
    else:
        thing, colour = rng.choice(list(words.COLOURS.items()))
        doc.text(f"The colour of {thing} is {colour}.", 1.0)
    doc.special(END_OF_TEXT, 1.0)
    return doc


def fill_in(rng: random.Random) -> Document:
    a, b = rng.sample(words.NOUNS, 2)
    name, sign = rng.choice((("add", "+"), ("subtract", "-"), ("multiply", "*")))
    body = f"return {a} {sign} {b}"
    doc = Document()
    doc.special(FIM_PREFIX, 0.0)
    doc.text(f"def {name}({a}, {b}):\n    ", 0.05)
    doc.special(FIM_SUFFIX, 0.0)
    doc.text("\n", 0.0)
    doc.special(FIM_MIDDLE, 0.0)
    doc.text(body, 1.0)
    doc.special(END_OF_TEXT, 1.0)
    return doc


def senses(rng: random.Random) -> Document:
    """Words where a projector would put its embeddings, so that one can be trained later."""
    sees = rng.random() < 0.6
    word = rng.choice(words.PLAIN_COLOURS if sees else ["low", "high", "silent", "noisy"])
    doc = Document()
    doc.special(IM_START, 0.0)
    doc.text("user\n", 0.0)
    doc.special(VISION_START if sees else AUDIO_START, 0.0)
    doc.text((" " + word) * rng.randint(8, 40), 0.0)
    doc.special(VISION_END if sees else AUDIO_END, 0.0)
    if sees:
        question = rng.choice(("What colour is this?", "What is in the image?"))
    else:
        question = rng.choice(("What do you hear?", "How does it sound?"))
    doc.text(question, 0.05)
    doc.special(IM_END, 0.0)
    doc.text("\n", 0.0)
    doc.special(IM_START, 0.0)
    doc.text("assistant\n", 0.0)
    doc.text(f"The image is {word}." if sees else f"The sound is {word}.", 1.0)
    doc.special(IM_END, 1.0)
    return doc
