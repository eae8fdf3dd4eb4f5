"""Scenarios in which prompts have much in common with others, or with what was said before."""

from __future__ import annotations

from dataclasses import replace

from asking import Ask, Asker, errors, joined, mean
from scenario import Found, Scenario, Size, at_least, at_most, at_most_peer, seen
from server_process import Running

N_SHARING = 16
N_CHATS = 16
N_TURNS = 3
N_OPENING = 2048
N_QUESTION = 16  # tokens that are new in a turn
N_HITS = 8
CACHE_RAM_MIB = 2048


def _ttft_s(asked: list[Ask]) -> float:
    return mean([one.ttft_s for one in asked if one.times])


def _common_prefix(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    n_common, n_own = size.of(2048, 512), size.of(16, 4)
    common = asker.ids(n_common)
    asked = [asker.ask(common + asker.ids(n_own), 8) for _ in range(N_SHARING)]
    joined(asked)
    return {
        "prefilled": sum(one.n_prefilled for one in asked) / (n_common + n_own),
        "ttft_s": _ttft_s(asked),
        "failed": float(len(errors(asked))),
    }


COMMON_PREFIX = Scenario(
    "common-prefix",
    "16 requests at once, cold, with 2,048 tokens in common and 16 of their own",
    lambda setup, size: replace(setup, n_ctx=40960, parallel=N_SHARING),
    _common_prefix,
    (
        at_most(1.15, "prefilled", "prompts read, in whole ones"),
        at_most_peer(0.1, "ttft_s", "mean TTFT, s"),
        at_most(0, "failed", "requests failed"),
    ),
)


def _returning(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    n_chats = size.of(N_CHATS, 6)
    chats = [asker.ids(size.of(N_OPENING, 256)) for _ in range(n_chats)]
    first = [asker.whole(chat, 8) for chat in chats]
    later: list[Ask] = []
    for _ in range(size.of(N_TURNS, 2) - 1):
        for chat in chats:
            chat += asker.ids(N_QUESTION)
            later.append(asker.whole(chat, 8))
    n_prompt = sum(int(one.usage.get("prompt_tokens", 0)) for one in later)
    return {
        "first_s": _ttft_s(first),
        "ttft_s": _ttft_s(later),
        "reused": sum(one.n_reused for one in later) / max(1, n_prompt),
        "failed": float(len(errors([*first, *later]))),
    }


def _returning_scenario(name: str, about: str, n_ctx: int, factor: float) -> Scenario:
    return Scenario(
        name,
        about,
        lambda setup, size: replace(
            setup,
            n_ctx=n_ctx if n_ctx > N_CHATS * N_OPENING else size.of(n_ctx, 1024),
            parallel=4,
            cache_ram_mib=CACHE_RAM_MIB,
        ),
        _returning,
        (
            at_most_peer(factor, "ttft_s", "mean TTFT of those who return, s"),
            seen("first_s", "mean TTFT of the first turn, s"),
            seen("reused", "prompt tokens not read again, share"),
            at_most(0, "failed", "requests failed"),
        ),
    )


RETURNING = _returning_scenario(
    "returning-chats", "16 chats of 2,048 tokens return in turn, 4 slots, KV for all", 40960, 0.6
)
RETURNING_SMALL = _returning_scenario(
    "returning-chats-ram",
    "the same with KV for a quarter of them, and RAM for all",
    10240,
    1.0,
)


def _parked_prefix(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    n_prefix = size.of(1024, 400)
    prefix = asker.ids(n_prefix)
    before = [asker.whole(prefix + asker.ids(8), 4)]
    # Others take its place in KV.
    before += [asker.whole(asker.ids(size.of(1000, 400)), 4) for _ in range(8)]
    asked = [asker.ask(prefix + asker.ids(16), 8) for _ in range(N_HITS)]
    joined(asked)
    return {
        "hits": float(sum(one.n_reused >= 0.9 * n_prefix for one in asked)),
        "prefilled": float(sum(one.n_prefilled for one in asked)),
        "ttft_s": _ttft_s(asked),
        "failed": float(len(errors([*before, *asked]))),
    }


PARKED_PREFIX = Scenario(
    "parked-prefix",
    "a prompt of 1,024 tokens has lost its place in KV; then 8 requests begin with it",
    lambda setup, size: replace(
        setup, n_ctx=size.of(3072, 1280), parallel=N_HITS, cache_ram_mib=CACHE_RAM_MIB
    ),
    _parked_prefix,
    (
        at_least(N_HITS, "hits", "requests that found it"),
        seen("prefilled", "prompt tokens read"),
        seen("ttft_s", "mean TTFT, s"),
        at_most(0, "failed", "requests failed"),
    ),
)

SCENARIOS = (COMMON_PREFIX, RETURNING, RETURNING_SMALL, PARKED_PREFIX)
