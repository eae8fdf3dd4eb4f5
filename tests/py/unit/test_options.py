"""Each option of the table sets its field, prints its help and follows the specification."""

import csv
from pathlib import Path
from typing import Any

import pytest

from llamabox.config import ServerConfig
from llamabox.option_help import default_of, help_text
from llamabox.option_parser import parse
from llamabox.option_table import BY_NAME, OPTIONS
from llamabox.options import Action, Assign, Refuse, Run, Store, Warn

_SPEC = Path(__file__).parents[2] / "spec" / "flags.tsv"

# First spelling of each option that takes a value: a word, its field and the field's value.
_STORED: dict[str, list[tuple[str, str, Any]]] = {
    "-lv": [("3", "log.verbosity", 3)],
    "--chat-template": [("llava", "chat.template", "llava")],
    "--chat-template-file": [("t.jinja", "chat.template_file", "t.jinja")],
    "--chat-template-kwargs": [('{"a": 1}', "chat.template_kwargs", {"a": 1})],
    "--host": [("::1", "http.host", "::1"), ("/run/x.sock", "http.host", "/run/x.sock")],
    "--port": [("0", "http.port", 0), ("65535", "http.port", 65535)],
    "-to": [("30", "http.timeout_s", 30)],
    "--threads-http": [
        ("6", "engine.n_slots", 6),
        ("240", "engine.n_slots", 240),
        ("0", "engine.n_slots", 4),
        ("-1", "engine.n_slots", 4),
    ],
    "--conn-idle": [("1.5", "http.conn_idle_s", 1.5)],
    "--conn-keepalive": [("86400", "http.conn_keepalive_s", 86400)],
    "--write-stall": [("0.001", "http.write_stall_s", 0.001)],
    "--sse-ping-interval": [
        ("0", "http.sse_ping_interval_s", None),
        ("2", "http.sse_ping_interval_s", 2),
    ],
    "--max-queue": [("1", "engine.max_queue", 1)],
    "-m": [("/m/a b.gguf", "model.path", "/m/a b.gguf")],
    "-a": [("my model", "model.alias", "my model")],
    "-s": [("-1", "sampling.seed", None), ("7", "sampling.seed", 7)],
    "-ngl": [
        ("-1", "model.n_gpu_layers", None),
        ("0", "model.n_gpu_layers", 0),
        ("99", "model.n_gpu_layers", 99),
    ],
    "-c": [("0", "engine.n_ctx", None), ("8192", "engine.n_ctx", 8192)],
    "-b": [("4096", "engine.n_batch", 4096)],
    "-ub": [("64", "engine.n_ubatch", 64)],
    "-np": [("1", "engine.n_slots", 1), ("240", "engine.n_slots", 240)],
    "-t": [("2", "engine.n_threads", 2), ("-1", "engine.n_threads", None)],
    "-tb": [("3", "engine.n_threads_batch", 3), ("0", "engine.n_threads_batch", None)],
    "-ctk": [("q8_0", "engine.type_k", "q8_0")],
    "-ctv": [("bf16", "engine.type_v", "bf16")],
    "--temp": [("0", "sampling.temperature", 0), ("1e-1", "sampling.temperature", 0.1)],
    "--top-k": [("0", "sampling.top_k", 0)],
    "--top-p": [("1.0", "sampling.top_p", 1), (".5", "sampling.top_p", 0.5)],
    "--min-p": [("0", "sampling.min_p", 0)],
    "--repeat-last-n": [
        ("-1", "sampling.repeat_last_n", None),
        ("0", "sampling.repeat_last_n", 0),
    ],
    "--repeat-penalty": [("1.3", "sampling.repeat_penalty", 1.3)],
    "--presence-penalty": [("-0.5", "sampling.presence_penalty", -0.5)],
    "--frequency-penalty": [("2", "sampling.frequency_penalty", 2)],
}

_ASSIGNED: dict[str, tuple[str, Any]] = {
    "-v": ("log.verbosity", 2147483647),
    "--log-colors": ("log.colors", True),
    "--jinja": ("chat.jinja", True),
    "--enable-reasoning": ("chat.enable_reasoning", True),
    "--no-enable-reasoning": ("chat.enable_reasoning", False),
    "--no-supervise": ("process.supervise", False),
    "--metrics": ("http.metrics", True),
    "-fa": ("engine.flash_attn", True),
    "--no-flash-attn": ("engine.flash_attn", False),
    "--swa-full": ("engine.swa_full", True),
    "--warmup": ("model.warmup", True),
    "--no-warmup": ("model.warmup", False),
    "-nkvo": ("engine.offload_kqv", False),
    "--mmap": ("model.use_mmap", True),
    "--no-mmap": ("model.use_mmap", False),
    "--mlock": ("model.use_mlock", True),
}

_OURS_ONLY = {
    "--write-stall",
    "--sse-ping-interval",
    "--no-supervise",
    "--max-queue",
    "--embedding",
    "--reranking",
}


def _spec_rows() -> list[dict[str, str]]:
    lines = [x for x in _SPEC.read_text(encoding="ascii").splitlines() if not x.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_tables_of_this_test_cover_every_option() -> None:
    stored = {o.names[0] for o in OPTIONS if isinstance(o.effect, Store)}
    assigned = {o.names[0] for o in OPTIONS if isinstance(o.effect, Assign)}
    assert stored == set(_STORED)
    assert assigned == set(_ASSIGNED)


@pytest.mark.parametrize("first", _STORED)
def test_every_spelling_and_form_stores_the_value(first: str) -> None:
    effect = BY_NAME[first].effect
    assert isinstance(effect, Store)
    before = [] if effect.needs is None else [f"--{effect.needs.partition('.')[2]}"]
    start = parse(before).config
    for spelling in BY_NAME[first].names:
        for word, target, expected in _STORED[first]:
            for words in ([spelling, word], [f"{spelling}={word}"]):
                config = parse([*before, *words]).config
                assert config.get(target) == expected
                assert config == start.with_values({target: expected})


@pytest.mark.parametrize("first", _ASSIGNED)
def test_every_spelling_switches_its_field(first: str) -> None:
    target, constant = _ASSIGNED[first]
    # Starts from the other value, so that an option which does nothing is seen.
    opposite = {
        "--enable-reasoning": "--no-enable-reasoning",
        "--warmup": "--no-warmup",
        "--mmap": "--no-mmap",
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
        if isinstance(option.effect, Store | Assign):
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
    assert [x for x in lines if x.endswith(":")] == ["general:", "server:", "server/completion:"]


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
    if isinstance(option.effect, Refuse | Warn):
        return
    assert isinstance(option.effect, Store) == bool(row["argument"])
    expected = row["actual_default"] or row["default"]
    if expected:
        word = (default_of(option) or "").partition(", else")[0]
        assert isinstance(option.effect, Store)
        assert option.effect.value.parse(word) == option.effect.value.parse(expected)


def test_spellings_beyond_the_specification_are_known_here() -> None:
    specified = {name for row in _spec_rows() for name in row["names"].split()}
    assert set(BY_NAME) - specified == _OURS_ONLY
