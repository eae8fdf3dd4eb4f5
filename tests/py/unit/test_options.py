"""Each option of the table sets its field, prints its help and follows the specification."""

import csv
from pathlib import Path

import pytest

from llamabox.config import ServerConfig
from llamabox.option_help import default_of, help_text
from llamabox.option_parser import parse
from llamabox.option_table import BY_NAME, OPTIONS
from llamabox.options import Action, Assign, Run, Store, Words
from unit.option_cases import ADDED, ASSIGNED, STORED, WORDS

_SPEC = Path(__file__).parents[2] / "spec" / "flags.tsv"

_OURS_ONLY = {
    "--write-stall",
    "--reasoning-budget",
    "--sse-ping-interval",
    "--no-supervise",
    "--max-queue",
    "--queue-size",
    "--itl-target-ms",
    "--embedding",
    "--reranking",
    "--api-key",
    "--api-key-file",
    "--ssl-cert-file",
    "--ssl-key-file",
    "--cors-origins",
    "--allowed-hosts",
    "--api-prefix",
    "-kvu",
    "--kv-unified",
    "-no-kvu",
    "--no-kv-unified",
    "--rpc-server-cache-size",
    "--rpc-server-devices",
    "--rpc-server-metrics-port",
    "--rpc-server-ssl-cert-file",
    "--rpc-server-ssl-key-file",
    "--rpc-server-token",
    "--rpc-ssl-ca-file",
    "--rpc-token",
    "--image-llm-model",
    "--image-skip-layer",
    "--media-allow-private",
    "--media-allowed-hosts",
}


def _spec_rows() -> list[dict[str, str]]:
    lines = [x for x in _SPEC.read_text(encoding="ascii").splitlines() if not x.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_tables_of_this_test_cover_every_option() -> None:
    stored = {o.names[0] for o in OPTIONS if isinstance(o.effect, Store)}
    assigned = {o.names[0] for o in OPTIONS if isinstance(o.effect, Assign)}
    assert stored == set(STORED)
    assert {o.names[0] for o in OPTIONS if isinstance(o.effect, Words)} == {*WORDS, *ADDED}
    assert assigned == set(ASSIGNED)


@pytest.mark.parametrize("first", STORED)
def test_every_spelling_and_form_stores_the_value(first: str) -> None:
    effect = BY_NAME[first].effect
    assert isinstance(effect, Store)
    before = [] if effect.needs is None else [f"--{effect.needs.partition('.')[2]}"]
    start = parse(before).config
    for spelling in BY_NAME[first].names:
        for word, target, expected in STORED[first]:
            for words in ([spelling, word], [f"{spelling}={word}"]):
                config = parse([*before, *words]).config
                assert config.get(target) == expected
                assert config == start.with_values({target: expected})


@pytest.mark.parametrize("first", WORDS)
def test_every_use_of_an_option_of_several_words_counts(first: str) -> None:
    words, target, item = WORDS[first]
    effect = BY_NAME[first].effect
    assert isinstance(effect, Words)
    for spelling in BY_NAME[first].names:
        attached = [f"{spelling}={words[0]}", *words[1:]]
        once = (item,) if effect.repeatable else item
        for use in ([spelling, *words], attached):
            assert parse(use).config.get(target) == once
        twice = parse([spelling, *words, *attached]).config.get(target)
        assert twice == ((item, item) if effect.repeatable else item)


@pytest.mark.parametrize("first", ADDED)
def test_every_spelling_and_form_adds_the_value(first: str) -> None:
    for spelling in BY_NAME[first].names:
        for word, target, expected in ADDED[first]:
            for words in ([spelling, word], [f"{spelling}={word}"]):
                assert parse(words).config == ServerConfig().with_values({target: expected})


@pytest.mark.parametrize("first", ASSIGNED)
def test_every_spelling_switches_its_field(first: str) -> None:
    target, constant = ASSIGNED[first]
    # Starts from the other value, so that an option which does nothing is seen.
    opposite = {
        "-kvu": "-no-kvu",
        "--context-shift": "--no-context-shift",
        "-e": "--no-escape",
        "--enable-reasoning": "--no-enable-reasoning",
        "--warmup": "--no-warmup",
        "--mmap": "--no-mmap",
        "--image-no-vae-tiling": "--image-vae-tiling",
        "--no-flash-attn": "-fa",
    }
    before = [opposite[first]] if first in opposite else []
    for spelling in BY_NAME[first].names:
        assert parse([*before, spelling]).config == ServerConfig().with_values({target: constant})


def test_every_action_has_its_options() -> None:
    for option in OPTIONS:
        if isinstance(option.effect, Run):
            for spelling in option.names:
                assert parse([spelling]).action is option.effect.action
    assert {o.effect.action for o in OPTIONS if isinstance(o.effect, Run)} == set(Action)


def test_every_target_is_a_field_and_no_spelling_is_used_twice() -> None:
    for option in OPTIONS:
        if isinstance(option.effect, Store | Words | Assign):
            ServerConfig().get(option.effect.target)
    assert len(BY_NAME) == sum(len(o.names) for o in OPTIONS)


def test_help_shows_each_option_on_one_line_with_its_exact_default() -> None:
    lines = help_text().splitlines()
    for option in OPTIONS:
        first, *rest = (f" {spelling}" for spelling in option.names)
        named = [x for x in lines if f"{first}," in x or f"{first} " in x]
        (line,) = [x for x in named if option.help in x]
        assert all(spelling in line for spelling in rest)
        default = default_of(option)
        assert default is None or line.endswith(f"(default: {default})")
    assert any("--top-p" in x and "(default: 0.95)" in x for x in lines)
    assert any(x.strip().startswith("--mmap") and x.endswith("(default)") for x in lines)
    assert [x for x in lines if x.endswith(":")] == [
        "general:",
        "server:",
        "server/completion:",
        "server/images:",
        "rpc-server:",
    ]


def test_help_can_be_filtered() -> None:
    filtered = help_text("PENALTY")
    assert "--repeat-penalty" in filtered
    assert "--port" not in filtered
    assert "general:" not in filtered
    assert "no option matches 'zzz'" in help_text("zzz")


def _spec_id(row: dict[str, str]) -> str:
    return row["names"].split()[-1]


@pytest.mark.parametrize("row", _spec_rows(), ids=_spec_id)
def test_options_follow_the_specification(row: dict[str, str]) -> None:
    names = row["names"].split()
    option = BY_NAME.get(names[-1])
    if option is None:
        words = [names[0], *("1" for _ in row["argument"].split())]
        (notice,) = parse([*words, "--port", "1"]).warnings
        assert (notice.flag, notice.n_skipped) == (names[0], len(words) - 1)
        return
    assert all(BY_NAME[spelling] is option for spelling in names)
    assert isinstance(option.effect, Store | Words) == bool(row["argument"])
    if isinstance(option.effect, Words):
        assert len(option.effect.values) == len(row["argument"].split())
    expected = row["actual_default"] or row["default"]
    if expected:
        word = (default_of(option) or "").partition(", else")[0]
        assert isinstance(option.effect, Store)
        assert option.effect.value.parse(word) == option.effect.value.parse(expected)


def test_spellings_beyond_the_specification_are_known_here() -> None:
    specified = {name for row in _spec_rows() for name in row["names"].split()}
    assert set(BY_NAME) - specified == _OURS_ONLY
