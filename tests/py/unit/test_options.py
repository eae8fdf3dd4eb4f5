"""Each option of the table sets its field, prints its help and follows the specification."""

import csv
from pathlib import Path
from typing import Any

import pytest

from llamabox.config import ServerConfig
from llamabox.keys import digest
from llamabox.option_help import default_of, help_text
from llamabox.option_parser import parse
from llamabox.option_table import BY_NAME, OPTIONS
from llamabox.options import Action, Assign, Refuse, Run, Store, Warn, Words

_SPEC = Path(__file__).parents[2] / "spec" / "flags.tsv"
_GRAMMAR_FILE = Path(__file__).parents[2] / "spec" / "yes_or_no.gbnf"

# First spelling of each option that takes a value: a word, its field and the field's value.
_STORED: dict[str, list[tuple[str, str, Any]]] = {
    "-lv": [("3", "log.verbosity", 3)],
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
    "--api-key": [("a,b", "access.key_digests", (digest("a"), digest("b")))],
    "--api-key-file": [("/run/keys", "access.api_key_file", "/run/keys")],
    "--ssl-cert-file": [("c.pem", "access.ssl_cert_file", "c.pem")],
    "--ssl-key-file": [("k.pem", "access.ssl_key_file", "k.pem")],
    "--cors-origins": [
        ("*", "access.cors_origins", ("*",)),
        ("https://A.b:1,null", "access.cors_origins", ("https://a.b:1", "null")),
    ],
    "--allowed-hosts": [("a.b,[::1]", "access.allowed_hosts", ("a.b", "::1"))],
    "--api-prefix": [("/api/v2", "access.api_prefix", "/api/v2")],
    "-C": [
        ("a5", "threads.cpu_mask", (0, 2, 5, 7)),
        ("0x100000000000000000000000000000000", "threads.cpu_mask", (128,)),
        ("", "threads.cpu_mask", ()),
    ],
    "-Cr": [
        ("2-4", "threads.cpu_range", (2, 3, 4)),
        ("511-511", "threads.cpu_range", (511,)),
    ],
    "--cpu-strict": [("1", "threads.cpu_strict", True), ("0", "threads.cpu_strict", False)],
    "--prio": [("3", "threads.prio", 3)],
    "--poll": [("0", "threads.poll", 0), ("100", "threads.poll", 100)],
    "-Cb": [("3", "threads.cpu_mask_batch", (0, 1))],
    "-Crb": [("0-0", "threads.cpu_range_batch", (0,))],
    "--cpu-strict-batch": [("0", "threads.cpu_strict_batch", False)],
    "--prio-batch": [("0", "threads.prio_batch", 0)],
    "--poll-batch": [("7", "threads.poll_batch", 7)],
    "--numa": [("isolate", "placement.numa", "isolate")],
    "-ts": [
        ("3,1", "placement.tensor_split", (3, 1)),
        ("1/0/.5", "placement.tensor_split", (1, 0, 0.5)),
    ],
    "-dev": [
        ("none", "placement.devices", ()),
        ("CUDA0,CUDA1", "placement.devices", ("CUDA0", "CUDA1")),
    ],
    "-sm": [("row", "placement.split_mode", "row")],
    "-mg": [("127", "placement.main_gpu", 127)],
    "-dt": [("-1", "engine.defrag_thold", -1)],
    "--rope-scaling": [("yarn", "rope.scaling", "yarn")],
    "--rope-scale": [("4", "rope.freq_scale", 0.25)],
    "--rope-freq-base": [("5e5", "rope.freq_base", 500000), ("0", "rope.freq_base", None)],
    "--rope-freq-scale": [("0.5", "rope.freq_scale", 0.5), ("0", "rope.freq_scale", None)],
    "--yarn-orig-ctx": [("4096", "rope.yarn_orig_ctx", 4096), ("0", "rope.yarn_orig_ctx", None)],
    "--yarn-ext-factor": [
        ("0", "rope.yarn_ext_factor", 0),
        ("-1.0", "rope.yarn_ext_factor", None),
    ],
    "--yarn-attn-factor": [("1.5", "rope.yarn_attn_factor", 1.5)],
    "--yarn-beta-fast": [("16", "rope.yarn_beta_fast", 16)],
    "--yarn-beta-slow": [("-1", "rope.yarn_beta_slow", None)],
}

# Options of several words or several uses: the words after the flag, the field and its value.
_WORDS: dict[str, tuple[list[str], str, Any]] = {
    "-ot": (
        [r"blk\.[0-9]=x=CPU,ffn=CUDA0"],
        "placement.override_tensor",
        ((r"blk\.[0-9]=x", "CPU"), ("ffn", "CUDA0")),
    ),
    "--override-kv": (
        ["tokenizer.ggml.add_bos_token=bool:false"],
        "placement.override_kv",
        ("tokenizer.ggml.add_bos_token", False),
    ),
    "--lora": (["a b.gguf"], "adapters.loras", ("a b.gguf", 1.0)),
    "--lora-scaled": (["a.gguf", "-0.5"], "adapters.loras", ("a.gguf", -0.5)),
    "--control-vector": (["c.gguf"], "adapters.control_vectors", ("c.gguf", 1.0)),
    "--control-vector-scaled": (["c.gguf", "2"], "adapters.control_vectors", ("c.gguf", 2.0)),
    "--control-vector-layer-range": (["1", "7"], "adapters.control_layers", (1, 7)),
    "--samplers": [
        ("top_k;temp", "sampling.samplers", ("top_k", "temperature")),
        ("kt", "sampling.samplers", ("top_k", "temperature")),
    ],
    "--top-nsigma": [("-1", "sampling.top_n_sigma", -1), ("1.5", "sampling.top_n_sigma", 1.5)],
    "--xtc-probability": [("0.5", "sampling.xtc_probability", 0.5)],
    "--xtc-threshold": [("0.2", "sampling.xtc_threshold", 0.2)],
    "--typical": [("0.9", "sampling.typical_p", 0.9)],
    "--dry-multiplier": [("0.8", "sampling.dry_multiplier", 0.8)],
    "--dry-base": [("2", "sampling.dry_base", 2)],
    "--dry-allowed-length": [("3", "sampling.dry_allowed_length", 3)],
    "--dry-penalty-last-n": [
        ("-1", "sampling.dry_penalty_last_n", None),
        ("0", "sampling.dry_penalty_last_n", 0),
    ],
    "--dynatemp-range": [("0.5", "sampling.dynatemp_range", 0.5)],
    "--dynatemp-exp": [("2", "sampling.dynatemp_exponent", 2)],
    "--mirostat": [("2", "sampling.mirostat", 2)],
    "--mirostat-lr": [("0.2", "sampling.mirostat_eta", 0.2)],
    "--mirostat-ent": [("4", "sampling.mirostat_tau", 4)],
    "--grammar": [('root ::= "a"', "sampling.grammar", 'root ::= "a"')],
    "--grammar-file": [(str(_GRAMMAR_FILE), "sampling.grammar", _GRAMMAR_FILE.read_text())],
    "-j": [("{}", "sampling.json_schema", '{"type":"object"}')],
}

# The same for options that add to what stood before.
_ADDED: dict[str, list[tuple[str, str, Any]]] = {
    "--dry-sequence-breaker": [
        (".", "sampling.dry_sequence_breakers", (".",)),
        ("none", "sampling.dry_sequence_breakers", ()),
    ],
    "-l": [
        ("15043+1", "sampling.logit_bias", ((15043, 1),)),
        ("15043-1.5", "sampling.logit_bias", ((15043, -1.5),)),
        (" Hello-inf", "sampling.logit_bias", ((" Hello", None),)),
    ],
}

_ASSIGNED: dict[str, tuple[str, Any]] = {
    "-v": ("log.verbosity", 2147483647),
    "--log-colors": ("log.colors", True),
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
    "-kvu": ("engine.kv_unified", True),
    "-no-kvu": ("engine.kv_unified", False),
    "--no-cache-prompt": ("engine.cache_prompt", False),
    "--lora-init-without-apply": ("adapters.apply_loras", False),
    "--no-escape": ("sampling.escape", False),
    "-e": ("sampling.escape", True),
}

_OURS_ONLY = {
    "--write-stall",
    "--sse-ping-interval",
    "--no-supervise",
    "--max-queue",
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
}


def _spec_rows() -> list[dict[str, str]]:
    lines = [x for x in _SPEC.read_text(encoding="ascii").splitlines() if not x.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_tables_of_this_test_cover_every_option() -> None:
    stored = {o.names[0] for o in OPTIONS if isinstance(o.effect, Store)}
    added = {o.names[0] for o in OPTIONS if isinstance(o.effect, Words)}
    assigned = {o.names[0] for o in OPTIONS if isinstance(o.effect, Assign)}
    assert stored == set(_STORED)
    assert {o.names[0] for o in OPTIONS if isinstance(o.effect, Words)} == set(_WORDS)
    assert added == set(_ADDED)
    assert assigned == set(_ASSIGNED)


@pytest.mark.parametrize("first", _STORED)
def test_every_spelling_and_form_stores_the_value(first: str) -> None:
    for spelling in BY_NAME[first].names:
        for word, target, expected in _STORED[first]:
            for words in ([spelling, word], [f"{spelling}={word}"]):
                config = parse(words).config
                assert config.get(target) == expected
                assert config == ServerConfig().with_values({target: expected})


@pytest.mark.parametrize("first", _WORDS)
def test_every_use_of_an_option_of_several_words_counts(first: str) -> None:
    words, target, item = _WORDS[first]
    effect = BY_NAME[first].effect
    assert isinstance(effect, Words)
    for spelling in BY_NAME[first].names:
        attached = [f"{spelling}={words[0]}", *words[1:]]
        once = (item,) if effect.repeatable else item
        for use in ([spelling, *words], attached):
            assert parse(use).config.get(target) == once
        twice = parse([spelling, *words, *attached]).config.get(target)
        assert twice == ((item, item) if effect.repeatable else item)


@pytest.mark.parametrize("first", _ASSIGNED)
def test_every_spelling_switches_its_field(first: str) -> None:
    target, constant = _ASSIGNED[first]
    # Starts from the other value, so that an option which does nothing is seen.
    opposite = {
        "--warmup": "--no-warmup",
        "--mmap": "--no-mmap",
        "--no-flash-attn": "-fa",
        "-kvu": "-no-kvu",
        "-e": "--no-escape",
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
