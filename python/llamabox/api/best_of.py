"""``best_of``: more choices are made than returned; the likeliest are."""

from __future__ import annotations

from collections.abc import Callable

from llamabox.api.reply import Choice


def best_choices(
    n_made: int, n_wanted: int, show_logprobs: bool
) -> Callable[[list[Choice]], list[Choice]]:
    """Return what keeps, of each ``n_made`` choices, the ``n_wanted`` best, the best first."""

    def select(choices: list[Choice]) -> list[Choice]:
        kept: list[Choice] = []
        for start in range(0, len(choices), n_made):
            ranked = sorted(choices[start : start + n_made], key=mean_logprob, reverse=True)
            kept += ranked[:n_wanted]
        if not show_logprobs:
            for choice in kept:
                choice.logprobs = None
        return kept

    return select


def mean_logprob(choice: Choice) -> float:
    """The mean of its tokens' log probabilities; an empty answer is as likely as its end was, which
    is not known, and comes last."""
    tokens = choice.logprobs
    if not tokens:
        return float("-inf")
    return sum(token.chosen.logprob for token in tokens) / len(tokens)
