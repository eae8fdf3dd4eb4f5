"""How a command line is read: forms, order, bad and unknown words."""

import pytest

from llamabox.config import ServerConfig
from llamabox.option_parser import UsageError, parse
from llamabox.options import Action

_GPUSTACK = (
    "--host 0.0.0.0 --embeddings --gpu-layers 37 --parallel 4 --ctx-size 8192 --port 40001"
    " --model /data/qwen.gguf --alias qwen --no-mmap --no-warmup"
).split()


def test_no_words_give_the_defaults() -> None:
    command_line = parse([])
    assert command_line.config == ServerConfig()
    assert command_line.action is None
    assert command_line.warnings == ()


def test_the_typical_gpustack_launch_with_two_unknown_flags_starts() -> None:
    words = [*_GPUSTACK, "--origin-rpc-server-main-gpu", "-1", "--colour-scheme", "a", "b"]
    command_line = parse(words)
    assert command_line.config == ServerConfig().with_values(
        {
            "http.host": "0.0.0.0",
            "http.port": 40001,
            "model.path": "/data/qwen.gguf",
            "model.alias": "qwen",
            "model.n_gpu_layers": 37,
            "model.use_mmap": False,
            "model.warmup": False,
            "engine.n_slots": 4,
            "engine.n_ctx": 8192,
            "encoder.embeddings": True,
        }
    )
    flags = [(w.flag, w.n_skipped) for w in command_line.warnings]
    assert flags == [
        ("--origin-rpc-server-main-gpu", 1),
        ("--colour-scheme", 2),
    ]


def test_unknown_flags_anywhere_do_not_disturb_the_others() -> None:
    words = ["--foo", "-5", "-np", "2", "--bar", "-.5", "-1e3", "x", "--port", "1", "--baz=y", "z"]
    command_line = parse(words)
    assert command_line.config == ServerConfig().replace(engine__n_slots=2, http__port=1)
    assert [w.n_skipped for w in command_line.warnings] == [1, 3, 1]


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        ("--ctx-sise", "--ctx-size"),
        ("--modle", "--model"),
        ("--flash-atn", "--flash-attn"),
        ("--parrallel=4", "--parallel"),
    ],
)
def test_an_unknown_flag_is_named_with_its_nearest_neighbour(flag: str, nearest: str) -> None:
    (notice,) = parse([flag, "1"]).warnings
    assert notice.flag == flag.partition("=")[0]
    assert notice.nearest == nearest


def test_the_value_of_an_unknown_flag_is_not_kept() -> None:
    (notice,) = parse(["--api-token=secret", "secret"]).warnings
    assert "secret" not in repr(notice)


@pytest.mark.parametrize(
    ("words", "n_slots"),
    [
        ("-np 2 --threads-http 8", 8),
        ("--threads-http 8 -np 2", 2),
        ("-np 2 --threads-http -1", 4),
        ("--threads-http=8 --parallel=9", 9),
    ],
)
def test_the_last_option_for_a_field_wins(words: str, n_slots: int) -> None:
    assert parse(words.split()).config.engine.n_slots == n_slots


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--port abc", '--port: "abc" is not allowed; expected a whole number from 0 to 65535'),
        ("--port 12abc", '--port: "12abc" is not allowed'),
        ("--port 65536", '--port: "65536" is not allowed'),
        ("--port -1", '--port: "-1" is not allowed'),
        ("--port=", '--port: "" is not allowed'),
        ("--port", "--port: a value is missing; expected a whole number from 0 to 65535"),
        ("--port --metrics", "--port: a value is missing"),
        ("-np 0", '-np: "0" is not allowed; expected a whole number from 1 to 240'),
        ("-np 241", '-np: "241" is not allowed'),
        ("--threads-http 241", '--threads-http: "241" is not allowed; expected a whole number up'),
        ("-t 513", '-t: "513" is not allowed'),
        ("-c -1", "expected a whole number of at least 1, or 0 for the model's own length"),
        ("-c 1_000", '-c: "1_000" is not allowed'),
        ("-c 99999999999999999999", '-c: "99999999999999999999" is not allowed'),
        ("-c 2147483648", '-c: "2147483648" is not allowed'),
        ("-c ٤", '-c: "٤" is not allowed'),
        ("-ngl -2", '-ngl: "-2" is not allowed; expected a whole number of at least 0, or -1'),
        ("-s -2", '-s: "-2" is not allowed'),
        ("-s 4294967296", '-s: "4294967296" is not allowed'),
        ("-ctk q3_k", '-ctk: "q3_k" is not allowed; expected one of f32, f16, bf16, q8_0'),
        ("--temp nan", '--temp: "nan" is not allowed; expected a number of at least 0'),
        ("--temp inf", '--temp: "inf" is not allowed'),
        ("--temp 1e999", '--temp: "1e999" is not allowed'),
        ("--temp -0.1", '--temp: "-0.1" is not allowed'),
        ("--top-p 1.1", '--top-p: "1.1" is not allowed; expected a number from 0 to 1'),
        ("--min-p -1", '--min-p: "-1" is not allowed'),
        ("--top-k -1", '--top-k: "-1" is not allowed'),
        ("--repeat-penalty 0", "expected a number above 0"),
        ("--repeat-last-n -2", '--repeat-last-n: "-2" is not allowed'),
        ("--timeout 0", "expected a number of seconds from 0.001 to 86400"),
        ("--sse-ping-interval -1", "expected a number of seconds from 0.001 to 86400, or 0 for"),
        ("--max-queue 0", '--max-queue: "0" is not allowed'),
        ("-lv -1", '-lv: "-1" is not allowed'),
        ("--model=", '--model: "" is not allowed'),
        ("--host=", '--host: "" is not allowed'),
        ("--mmap=false", '--mmap: "false" is not allowed; the flag takes no value'),
        ("--embeddings=1", '--embeddings: "1" is not allowed; the flag takes no value'),
        ("--version=1", '--version: "1" is not allowed; the flag takes no value'),
        ("model.gguf", '"model.gguf" belongs to no flag'),
        ("--metrics on", '"on" belongs to no flag'),
        ("--port 1 2", '"2" belongs to no flag'),
        ("--embeddings x", '"x" belongs to no flag'),
        ("-5", '"-5" belongs to no flag'),
        ("-", '"-" belongs to no flag'),
        ("-b 256 -ub 512", "-ub: 512 is not allowed; expected at most the 256 of --batch-size"),
        ("-ub 4096", "-ub: 4096 is not allowed; expected at most the 2048 of --batch-size"),
        ("--no-flash-attn -ctv q8_0", "-ctv: q8_0 is not allowed with --no-flash-attn"),
        ("-fa -ctv iq4_nl --no-flash-attn", "-ctv: iq4_nl is not allowed with --no-flash-attn"),
    ],
)
def test_a_bad_command_line_is_one_line_that_names_flag_value_and_limits(
    words: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words.split(" "))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hostile_words_stay_on_one_short_line() -> None:
    with pytest.raises(UsageError) as caught:
        parse(["--port", "1\n\x1b[31m\u2028" + "x" * 5000])
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 300
    with pytest.raises(UsageError, match="control characters"):
        parse(["--alias", "a\nb"])


def test_a_value_that_looks_like_a_flag_needs_the_equals_form() -> None:
    assert parse(["--alias=-x=y"]).config.model.alias == "-x=y"
    with pytest.raises(UsageError, match="-a: a value is missing"):
        parse(["-a", "-x"])


def test_the_default_micro_batch_follows_a_smaller_batch() -> None:
    engine = parse(["-b", "128"]).config.engine
    assert (engine.n_batch, engine.n_ubatch) == (128, 128)


def test_quantised_v_cells_are_allowed_with_flash_attention_in_any_order() -> None:
    assert parse(["-ctv", "q4_0", "-fa"]).config.engine.type_v == "q4_0"
    assert parse(["-ctv", "q4_0"]).config.engine.type_v == "q4_0"


def test_an_action_ends_the_reading_where_it_stands() -> None:
    command_line = parse(["--port", "1", "--help=batch", "--port", "bad", "word"])
    assert command_line.action is Action.HELP
    assert command_line.action_filter == "batch"
    with pytest.raises(UsageError):
        parse(["--port", "bad", "--help"])


_REFUSED = {
    "-C": ("0", "0x", "x", "1" * 129),
    "-Cr": ("3", "3-1", "0-512", "-3", "1-", "a-b"),
    "--cpu-strict": ("2", "true"),
    "--prio": ("-1", "4"),
    "--poll": ("-1", "101"),
    "--prio-batch": ("4",),
    "--numa": ("on",),
    "-ts": ("", "1,", "-1", "1,x", ",".join(["1"] * 129)),
    "-dev": ("", "a,,b"),
    "-sm": ("columns",),
    "-mg": ("-1", "128"),
    "-ot": ("x", "=CPU", "x=", "a=CPU,"),
    "--override-kv": (
        "a", "a=int", "a=int:x", "a=int:-1", "a=bool:1", "a=float:inf", "a=u8:1", "=int:1",
        "a=str:" + "x" * 128, "k" * 128 + "=int:1",
    ),
    "--rope-scaling": ("longrope",),
    "--rope-scale": ("0", "-1", "nan"),
    "--rope-freq-base": ("-1", "1e-9"),
    "--rope-freq-scale": ("-0.5",),
    "--yarn-orig-ctx": ("-1",),
    "--yarn-ext-factor": ("x",),
    "--control-vector-layer-range": ("0", "513"),
    "--visual-max-image-size": ("223", "225", "-1", "x"),
    "--max-projected-cache": ("-1", "x"),
    "--visual-max-image-cache": ("-1",),
    "--media-allowed-hosts": ("", "a,,b", "a b", "http://a"),
}  # fmt: skip


@pytest.mark.parametrize("flag", _REFUSED)
def test_values_of_compute_options_out_of_range_are_refused_by_name(flag: str) -> None:
    for word in _REFUSED[flag]:
        with pytest.raises(UsageError) as caught:
            parse([f"{flag}={word}"])
        assert str(caught.value).startswith(f"{flag}: ")
        assert "expected" in str(caught.value)


def test_an_option_of_two_words_names_what_is_missing() -> None:
    for words in (["--lora-scaled", "a.gguf"], ["--lora-scaled", "a.gguf", "--port", "1"]):
        with pytest.raises(UsageError, match="--lora-scaled: a value is missing; expected a num"):
            parse(words)


def test_numa_places_the_threads_and_so_refuses_other_places() -> None:
    for mask in (["-C", "1"], ["-Cr", "0-1"], ["-Cb", "1"], ["-Crb", "0-1"]):
        with pytest.raises(UsageError, match=f"{mask[0]}: not allowed with --numa"):
            parse(["--numa", "distribute", *mask])


def test_a_lora_implies_no_mmap_unless_it_is_asked_for() -> None:
    assert parse(["--lora", "a.gguf"]).config.model.use_mmap is False
    assert parse(["--lora-scaled", "a.gguf", "1", "--mmap"]).config.model.use_mmap is True
    assert parse(["--control-vector", "a.gguf"]).config.model.use_mmap is True
