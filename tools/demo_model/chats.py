"""Documents of plain conversation: facts, sums, counting, stories, styles, memory."""

from __future__ import annotations

import random

from demo_model import phrases, stories, words
from demo_model.document import Document, Message, assistant, chat, system, user

Pair = tuple[str, str]


def vary(rng: random.Random, question: str) -> str:
    """Now and then leaves out the last mark, writes small, or adds a polite word."""
    draw = rng.random()
    if draw < 0.06 and question[-1] in ".?!":
        return question[:-1]
    if draw < 0.12:
        return question[0].lower() + question[1:]
    if draw < 0.15 and question[-1] == ".":
        return question[:-1] + ", please."
    if draw < 0.18 and question[-1] == ".":
        return "Please " + question[0].lower() + question[1:]
    return question


def fixed_pair(rng: random.Random) -> Pair:
    table = rng.choices((phrases.IDENTITY, phrases.SMALL_TALK, phrases.LISTS), (3, 4, 2))[0]
    questions, answer = rng.choice(table)
    return vary(rng, rng.choice(questions)), answer


def sum_pair(rng: random.Random) -> Pair:
    kind = rng.choices("+-*", (6, 2, 2))[0]
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    if rng.random() < 0.08:
        a, b = rng.randint(21, 999), rng.randint(21, 999)
        form = rng.choice(("What is {} {} {}?", "{} {} {}", "How much is {} {} {}?"))
        return form.format(a, rng.choice((kind, "plus", "times")), b), phrases.TOO_BIG
    forms: tuple[str, ...]
    if kind == "+":
        forms = (
            "What is {} + {}?",
            "What is {} plus {}?",
            "What is {}+{}?",
            "{} + {}",
            "{} + {} = ?",
            "Add {} and {}.",
            "How much is {} + {}?",
            "{}+{}",
            "Calculate {} + {}.",
        )
        return rng.choice(forms).format(a, b), f"{a} plus {b} is {a + b}."
    if kind == "-":
        a, b = max(a, b), min(a, b)
        forms = ("What is {} - {}?", "What is {} minus {}?", "{} - {}", "How much is {} - {}?")
        return rng.choice(forms).format(a, b), f"{a} minus {b} is {a - b}."
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    forms = (
        "What is {} * {}?",
        "What is {} times {}?",
        "{} * {}",
        "{} x {}",
        "How much is {} x {}?",
    )
    return rng.choice(forms).format(a, b), f"{a} times {b} is {a * b}."


def fact_pair(rng: random.Random) -> Pair:
    kind = rng.randrange(6)
    if kind == 0:
        country, city = rng.choice(list(words.CAPITALS.items()))
        answer = f"The capital of {country} is {city}."
        return vary(rng, f"What is the capital of {country}?"), answer
    if kind == 1:
        thing, colour = rng.choice(list(words.COLOURS.items()))
        subject = thing[0].upper() + thing[1:]
        return vary(rng, f"What colour is {thing}?"), f"{subject} is {colour}."
    if kind == 2:
        animal, sound = rng.choice(list(words.SOUNDS.items()))
        subject = animal[0].upper() + animal[1:]
        return vary(rng, f"What does {animal} say?"), f"{subject} says {sound}."
    if kind == 3:
        one, other = rng.choice(list(words.OPPOSITES.items()))
        one, other = rng.choice(((one, other), (other, one)))
        return vary(rng, f"What is the opposite of {one}?"), f"The opposite of {one} is {other}."
    table, what = rng.choice(((words.DAYS, "day"), (words.MONTHS, "month")))
    place = rng.randrange(len(table))
    if kind == 4:
        other = table[(place + 1) % len(table)]
        question = vary(rng, f"Which {what} comes after {table[place]}?")
        return question, f"After {table[place]} comes {other}."
    language, words_of_it = rng.choice(list(words.GREETINGS.items()))
    return vary(rng, f"Say hello in {language}."), words_of_it


def numbered(numbers: range) -> str:
    return ", ".join(map(str, numbers)) + "."


def count_pair(rng: random.Random) -> Pair:
    kind = rng.choices(("to", "from", "down", "table"), (5, 2, 1, 1))[0]
    if kind == "to":
        end = rng.randint(2, 30)
        if end in words.NUMBER_WORDS and rng.random() < 0.2:
            return vary(rng, f"Count to {words.NUMBER_WORDS[end]}."), numbered(range(1, end + 1))
        form = rng.choice(("Count to {}.", "Count from 1 to {}.", "Can you count to {}?"))
        return vary(rng, form.format(end)), numbered(range(1, end + 1))
    if kind == "from":
        first = rng.randint(0, 25)
        last = first + rng.randint(2, 10)
        return vary(rng, f"Count from {first} to {last}."), numbered(range(first, last + 1))
    if kind == "down":
        first = rng.randint(3, 20)
        return vary(rng, f"Count down from {first}."), numbered(range(first, -1, -1))
    step = rng.randint(1, 10)
    return vary(rng, f"Write the table of {step}."), numbered(range(step, 10 * step + 1, step))


def counting(rng: random.Random) -> Document:
    """Counting alone: where to stop is learnt late, and needs many examples."""
    return chat(some_system(rng, 0.2) + turns([count_pair(rng) for _ in range(rng.randint(1, 3))]))


def story_pair(rng: random.Random) -> Pair:
    if rng.random() < 0.12:
        topic, poem = rng.choice(list(stories.POEMS.items()))
        if topic == "the sea" and rng.random() < 0.4:
            return vary(rng, "Write a poem."), poem
        start = rng.choice(("Write", "Tell me"))
        return vary(rng, f"{start} a poem about {topic}."), poem
    hero = rng.choice(stories.HEROES)
    name = rng.choice(words.PEOPLE) if rng.random() < 0.3 else ""
    tell = stories.long_story if rng.random() < 0.4 else stories.short_story
    kind = "long story" if tell is stories.long_story else rng.choice(("story", "short story"))
    if hero.kind == "llama" and rng.random() < 0.4:
        name = ""
        question = rng.choice((f"Tell me a {kind}.", f"Write a {kind}."))
    else:
        about = stories.with_article(hero.kind) + (f" named {name}" if name else "")
        question = rng.choice(
            (
                f"Tell me a {kind} about {about}.",
                f"Write a {kind} about {about}.",
                f"Can you tell me a {kind} about {about}?",
            )
        )
    return vary(rng, question), tell(hero, name)


def made_up_word(rng: random.Random) -> str:
    return "".join(rng.choices(words.SYLLABLES, k=rng.randint(2, 3))).capitalize()


def unknown_pair(rng: random.Random) -> Pair:
    word = made_up_word(rng) if rng.random() < 0.6 else rng.choice(words.NOUNS).capitalize()
    form = rng.choice(phrases.UNKNOWN_FORMS)
    if rng.random() < 0.2:
        others = " ".join(rng.choices(words.NOUNS, k=rng.randint(2, 8)))
        word, form = others, rng.choice(("Please summarize this: {}.", "Translate: {}", "{}?"))
    return form.format(word if rng.random() < 0.5 else word.lower()), phrases.UNKNOWN


def lucky_pair(rng: random.Random) -> Pair:
    """Answers drawn at random: sampling shows variety here, and a seed repeats it."""
    kind = rng.randrange(4)
    if kind == 0:
        return "Roll a die.", f"You rolled a {rng.randint(1, 6)}."
    if kind == 1:
        return "Flip a coin.", rng.choice(("Heads.", "Tails."))
    if kind == 2:
        return "Name a colour.", rng.choice(words.PLAIN_COLOURS).capitalize() + "."
    return "Say three random words.", " ".join(rng.choices(words.NOUNS, k=3)) + "."


PAIRS = (
    (fixed_pair, 5),
    (sum_pair, 8),
    (fact_pair, 4),
    (count_pair, 3),
    (story_pair, 5),
    (unknown_pair, 1.5),
    (lucky_pair, 0.8),
)


def any_pair(rng: random.Random) -> Pair:
    makers, shares = zip(*PAIRS, strict=True)
    return rng.choices(makers, shares)[0](rng)  # type: ignore[no-any-return]


def turns(pairs: list[Pair]) -> list[Message]:
    return [m for question, answer in pairs for m in (user(question), assistant(answer))]


def some_system(rng: random.Random, share: float) -> list[Message]:
    return [system(rng.choice(phrases.SYSTEMS))] if rng.random() < share else []


def conversation(rng: random.Random) -> Document:
    """One to six turns of anything."""
    n_pairs = rng.choices((1, 2, 3, 4, 6), (12, 4, 2, 1, 1))[0]
    messages = turns([any_pair(rng) for _ in range(n_pairs)])
    if rng.random() < 0.05:
        last = messages[-1]["content"]
        messages[-1] = assistant(last, muted=True)
    return chat(some_system(rng, 0.3) + messages)


def sums(rng: random.Random) -> Document:
    """A chain of sums: short, and the kind which takes longest to learn."""
    return chat(some_system(rng, 0.2) + turns([sum_pair(rng) for _ in range(rng.randint(1, 8))]))


def styled(rng: random.Random) -> Document:
    """A system prompt that changes how facts and sums are answered."""
    messages = []
    pirate = rng.random() < 0.5
    for _ in range(rng.randint(1, 3)):
        question, answer = (sum_pair if rng.random() < 0.3 else fact_pair)(rng)
        if pirate:
            answer = "Arr! " + answer
        elif answer != phrases.TOO_BIG and not question.lower().startswith("say"):
            answer = answer.rstrip(".").split()[-1].capitalize() + "."
        messages += [user(question), assistant(answer)]
    return chat([system("You are a pirate." if pirate else "Answer in one word."), *messages])


def thinking(rng: random.Random) -> Document:
    """Reasoning on demand: the word /think asks for it, an empty block in the prompt forbids it."""
    question, answer = (sum_pair if rng.random() < 0.7 else fact_pair)(rng)
    numbers = answer.rstrip(".").split()
    if answer == phrases.TOO_BIG:
        reasoning = "The numbers are big. I only know small ones."
    elif numbers[0].isdigit():
        form, sign = {
            "plus": ("add {} and {}", "+"),
            "minus": ("subtract {1} from {0}", "-"),
            "times": ("multiply {} and {}", "*"),
        }[numbers[1]]
        plan = form.format(numbers[0], numbers[2])
        reasoning = f"I need to {plan}. {numbers[0]} {sign} {numbers[2]} = {numbers[-1]}."
    else:
        reasoning = f"The user asks for a fact. I know it: {answer}"
    muted = rng.random() < 0.25
    reply = assistant(answer, "" if muted else reasoning, muted)
    if rng.random() < 0.3:
        return chat([system("Think first."), user(question), reply])
    return chat([*some_system(rng, 0.2), user(question + " /think"), reply])


def memory(rng: random.Random) -> Document:
    """Something said in an early turn is asked for later."""
    name = rng.choice(words.PEOPLE) if rng.random() < 0.6 else made_up_word(rng)
    colour = rng.choice(words.PLAIN_COLOURS)
    number = rng.randint(2, 99)
    known = [
        (
            (f"My name is {name}.", f"Nice to meet you, {name}!"),
            ("What is my name?", f"Your name is {name}."),
        ),
        (
            (f"My favourite colour is {colour}.", f"I like {colour} too."),
            ("What is my favourite colour?", f"Your favourite colour is {colour}."),
        ),
        (
            (f"Remember the number {number}.", f"I will remember {number}."),
            ("What was the number?", f"The number was {number}."),
        ),
    ]
    picked = rng.sample(known, rng.randint(1, 2))
    pairs: list[Pair] = [told for told, _ in picked]
    pairs += [any_pair(rng) for _ in range(rng.choices((0, 1, 2), (4, 2, 1))[0])]
    rng.shuffle(picked)
    pairs += [asked for _, asked in picked]
    return chat(some_system(rng, 0.2) + turns(pairs))
