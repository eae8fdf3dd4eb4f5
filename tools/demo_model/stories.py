"""Short and long stories. Each hero has one story, so that a prompt has one right answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hero:
    """The words which one story is made of."""

    kind: str
    name: str
    home: str
    thing: str
    spot: str
    friend: str


HEROES = (
    Hero("llama", "Lola", "a green valley", "a silver bell", "the old bridge", "bird"),
    Hero("fox", "Ruby", "a quiet forest", "a red ball", "the river", "frog"),
    Hero("cat", "Milo", "a warm kitchen", "a blue ribbon", "the window", "mouse"),
    Hero("dog", "Rex", "a little house", "an old hat", "the garden door", "horse"),
    Hero("bear", "Bruno", "a deep cave", "a pot of honey", "a tall tree", "bee"),
    Hero("rabbit", "Daisy", "a sunny field", "a golden key", "the stone wall", "turtle"),
    Hero("owl", "Otto", "a hollow tree", "a small lamp", "the mountain", "fox"),
    Hero("mouse", "Pip", "a wooden box", "a big cheese", "the table", "cat"),
    Hero("duck", "Dora", "a clear lake", "a paper boat", "the island", "fish"),
    Hero("robot", "Bolt", "a busy workshop", "a lost button", "the ladder", "child"),
    Hero("dragon", "Ember", "a high tower", "a cold crown", "the sea", "knight"),
    Hero("horse", "Star", "a red barn", "a yellow apple", "the road", "dog"),
)

BY_KIND = {hero.kind: hero for hero in HEROES}


def with_article(kind: str) -> str:
    return ("an " if kind[0] in "aeiou" else "a ") + kind


def short_story(hero: Hero, name: str = "") -> str:
    """About 80 tokens; `name` replaces the hero's own name."""
    n = name or hero.name
    form = HEROES.index(hero) % 3
    start = f"Once upon a time there was {with_article(hero.kind)} named {n}. "
    start += f"{n} lived in {hero.home}. "
    if form == 0:
        return start + (
            f"One morning {n} found {hero.thing} near {hero.spot}. The {hero.friend} came by and "
            f'asked, "Is this yours?" {n} said, "No, but we can share it." They played all day '
            "and became good friends. The end."
        )
    if form == 1:
        return start + (
            f"One day {n} lost {hero.thing} near {hero.spot}. {n} looked everywhere and felt sad. "
            f'Then a kind {hero.friend} said, "I will help you." Together they found it before '
            "the sun went down. The end."
        )
    return start + (
        f"One night {n} heard a sound near {hero.spot}. It was a {hero.friend} who could not "
        f"sleep. {n} gave the {hero.friend} {hero.thing} and sang a soft song. Soon they were "
        "both asleep under the stars. The end."
    )


def long_story(hero: Hero, name: str = "") -> str:
    """About 170 tokens in three paragraphs."""
    n = name or hero.name
    body = short_story(hero, name).removesuffix(" The end.")
    return body + (
        f"\n\nThe next day it rained, and the water came close to {hero.spot}. "
        f'The {hero.friend} was afraid, but {n} said, "Do not worry. We will build a wall." '
        "They carried one stone after another until their legs were tired. "
        f"When the wall was ready, the water stopped, and everyone in {hero.home} was safe."
        f"\n\nIn the evening all the neighbours came with bread and warm soup. {n} told them the "
        f"story of {hero.thing}, and the {hero.friend} laughed. From that day on, {n} knew that a "
        "friend makes every hard thing easy. The end."
    )


POEMS = {
    "the sea": (
        "The sea is wide, the sea is deep,\nit sings the little fish to sleep.\n"
        "The moon looks down, the wind is low,\nand all the waves just come and go."
    ),
    "the moon": (
        "The moon is round, the moon is bright,\nit paints the garden silver white.\n"
        "The owl looks up, the cat lies still,\nand shadows walk across the hill."
    ),
    "a tree": (
        "A tree stood up against the sky,\nand watched the little clouds go by.\n"
        "It gave a home to bird and bee,\nhow nice it is to be a tree."
    ),
    "rain": (
        "The rain comes down, the rain is free,\nit drums upon the roof for me.\n"
        "It fills the pond, it wets the street,\nand dances on my happy feet."
    ),
}
