"""Every option of the command line, declared once.

The parser, the help text and the tests visit ``OPTIONS``; defaults stand in ``config``.
"""

from __future__ import annotations

from llamabox.compute_options import COMPUTE_OPTIONS
from llamabox.config import DEFAULT_MODEL_PATH, DEFAULT_N_SLOTS, MAX_N_SLOTS
from llamabox.draft_options import DRAFT_OPTIONS
from llamabox.image_options import IMAGE_OPTIONS
from llamabox.media_options import MEDIA_OPTIONS
from llamabox.option_rows_access import ACCESS_OPTIONS
from llamabox.option_values import (
    Value,
    choice,
    count_or_automatic,
    integer,
    name,
    path,
    real,
    seconds,
    template_variables,
)
from llamabox.options import Action, Assign, Effect, Group, Option, Run, Store
from llamabox.rpc_options import RPC_OPTIONS
from llamabox.sampling_options import SAMPLER_OPTIONS

_MAX_THREADS = 512
"""ggml's own ceiling for the threads of one pool."""

_JINJA_FIELDS = ("chat.jinja", "chat.template_file", "chat.template_kwargs")

_CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")


def _general(names: str, help_text: str, effect: Effect) -> Option:
    return Option(tuple(names.split()), Group.GENERAL, help_text, effect)


def _server(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.SERVER, help_text, effect, default)


def _completion(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.COMPLETION, help_text, effect, default)


def _threads() -> Value:
    return count_or_automatic(_MAX_THREADS, None)


_GENERAL_OPTIONS = (
    _general("-h --help --usage", "Print this text and exit; --help=WORD filters it",
             Run(Action.HELP)),
    _general("--version", "Print the version and the llama.cpp build and exit",
             Run(Action.VERSION)),
    _general("--system-info", "Print what the compute backends use of this machine and exit",
             Run(Action.SYSTEM_INFO)),
    _general("--list-devices", "Print the devices layers can be offloaded to and exit",
             Run(Action.LIST_DEVICES)),
    _general("--list-buffer-types", "Print the names of the buffer types and exit",
             Run(Action.LIST_BUFFER_TYPES)),
    _general("-v --verbose --log-verbose", "Log everything",
             Assign("log.verbosity", 2**31 - 1)),
    _general("-lv --verbosity --log-verbosity",
             "Log messages up to this level: 2 adds llama.cpp's, 6 adds details",
             Store("log.verbosity", integer(0))),
    _general("--log-colors", "Colour the level of each log line",
             Assign("log.colors", True)),
)  # fmt: skip

_SERVER_OPTIONS = (
    _server("--host", "Address to listen on, or a Unix socket if it ends in .sock",
            Store("http.host", name("HOST", "an address or a path"))),
    _server("--port", "TCP port to listen on; 0 = any free one, which is logged",
            Store("http.port", Value("PORT", "a whole number from 0 to 65535",
                                     integer(0, 65535).parse))),
    _server("-to --timeout", "Longest read of one body and longest blocked write, in seconds",
            Store("http.timeout_s", seconds())),
    _server("--threads-http",
            f"Slots: sequences decoded at once, up to {MAX_N_SLOTS}; 0 and below = automatic",
            Store("engine.n_slots", count_or_automatic(MAX_N_SLOTS, DEFAULT_N_SLOTS))),
    _server("--conn-idle", "Wait for the first byte of a connection, in seconds",
            Store("http.conn_idle_s", seconds())),
    _server("--conn-keepalive", "Wait for the next request on a connection, in seconds",
            Store("http.conn_keepalive_s", seconds())),
    _server("--write-stall", "Cancel a stream that nobody reads for this many seconds",
            Store("http.write_stall_s", seconds())),
    _server("--sse-ping-interval", "Comment in a silent stream every so many seconds; 0 = none",
            Store("http.sse_ping_interval_s", seconds(off_at_zero=True))),
    _server("--max-queue --queue-size", "Requests that may wait for a slot before one is refused",
            Store("engine.max_queue", integer(1, 65536))),
    _server("--itl-target-ms",
            "Longest step beside running streams, in ms; 0 = six times what theirs alone takes",
            Store("engine.itl_target_ms", integer(1, 60_000, special={0: None},
                                                  meaning="0 for automatic")), "0"),
    _server("--no-supervise", "Serve in this process instead of a restarted worker",
            Assign("process.supervise", False)),
    _server("--metrics", "Answer GET /metrics in the Prometheus text format",
            Assign("http.metrics", True)),
    _server("-m --model", "Model file (GGUF)",
            Store("model.path", path()), f"{DEFAULT_MODEL_PATH}, else the built-in demo model"),
    _server("-a --alias", "Name of the model in requests and replies",
            Store("model.alias", name("NAME", "a name")), "file name of the model"),
    _server("-s --seed", "Seed of sampling; -1 = a new one for each request",
            Store("sampling.seed", integer(0, 2**32 - 1, special={-1: None, 2**32 - 1: None},
                                           meaning="-1 for a random seed")), "-1"),
    _server("-fa --flash-attn", "Compute attention with Flash Attention (default: where it can)",
            Assign("engine.flash_attn", True)),
    _server("--no-flash-attn", "Compute attention without Flash Attention",
            Assign("engine.flash_attn", False)),
    _server("--swa-full", "Keep the whole context for sliding-window layers",
            Assign("engine.swa_full", True)),
    _server("-ngl --gpu-layers --n-gpu-layers",
            "Layers kept on a GPU; 0 = CPU only, -1 = chosen by the engine",
            Store("model.n_gpu_layers", integer(0, special={-1: None},
                                                meaning="-1 for automatic")), "-1"),
    _server("--warmup", "Run the model once before the server is ready",
            Assign("model.warmup", True)),
    _server("--no-warmup", "Do not run the model before the first request",
            Assign("model.warmup", False)),
    _server("--embeddings --embedding", "Make embeddings, beside the text of a chat model",
            Assign("encoder.embeddings", True)),
    _server("--images", "Make images instead of text, with a model that does",
            Assign("images.enabled", True)),
    _server("--rerank --reranking", "Rank documents and make embeddings; no text is generated",
            Assign("encoder.rerank", True)),
)  # fmt: skip

_CONTEXT_OPTIONS = (
    _completion("-c --ctx-size", "Context that all slots share, in tokens; 0 = from the model",
                Store("engine.n_ctx", integer(1, special={0: None},
                                              meaning="0 for the model's own length"))),
    _completion("--context-shift", "Let a full context lose its older half and go on",
                Assign("context.shift", True)),
    _completion("--no-context-shift", "End a text, and refuse a prompt, that fills the context",
                Assign("context.shift", False)),
    _completion("--keep", "First tokens of a prompt that context shift leaves; -1 = all of it",
                Store("context.n_keep", integer(0, special={-1: None},
                                                meaning="-1 for the whole prompt"))),
    _completion("--cache-reuse",
                "Least tokens of a part of a retained prompt reused at another place; 0 = never",
                Store("context.n_cache_reuse", integer(0))),
    _completion("--slot-save-path", "Folder in which POST /slots/ID saves and restores slots",
                Store("context.slot_save_path", path()), "none, slots are not saved"),
    _completion("-b --batch-size", "Most rows of one decode call, in tokens",
                Store("engine.n_batch", integer(1))),
    _completion("-ub --ubatch-size", "Most rows computed at a time, in tokens",
                Store("engine.n_ubatch", integer(1))),
    _completion("-np --parallel", f"Slots: sequences decoded at once, up to {MAX_N_SLOTS}",
                Store("engine.n_slots", integer(1, MAX_N_SLOTS))),
    _completion("-tps --tokens-per-second",
                "Limit of X-Request-Tokens-Per-Second; 0 = header ignored, -1 = measured at start",
                Store("engine.tokens_per_second", integer(0, special={-1: None},
                                                          meaning="-1 to measure it"))),
    _completion("-t --threads", "Compute threads while generating; 0 and below = one per core",
                Store("engine.n_threads", _threads()), "-1"),
    _completion("-tb --threads-batch", "Compute threads while a prompt is read",
                Store("engine.n_threads_batch", _threads()), "same as --threads"),
    _completion("-nkvo --no-kv-offload", "Keep all KV cells in the memory of the host",
                Assign("engine.offload_kqv", False)),
    _completion("-ctk --cache-type-k", "Type of the K cells: " + ", ".join(_CACHE_TYPES),
                Store("engine.type_k", choice(_CACHE_TYPES))),
    _completion("-ctv --cache-type-v", "Type of the V cells, as for K; quantised ones need -fa",
                Store("engine.type_v", choice(_CACHE_TYPES))),
    _completion("--mmap", "Map the model file into memory", Assign("model.use_mmap", True)),
    _completion("--no-mmap", "Read the model file into memory", Assign("model.use_mmap", False)),
    _completion("--mlock", "Keep the model from being swapped out",
                Assign("model.use_mlock", True)),
)  # fmt: skip

_CHAT_TEMPLATES = (
    "bailing", "chatglm3", "chatglm4", "chatml", "command-r", "deepseek", "deepseek2", "deepseek3",
    "exaone3", "falcon", "falcon3", "gemma", "gigachat", "glmedge", "granite", "llama2",
    "llama2-sys", "llama2-sys-bos", "llama2-sys-strip", "llama3", "llama4", "llava",
    "llava-mistral", "megrez", "minicpm", "mistral-v1", "mistral-v3", "mistral-v3-tekken",
    "mistral-v7", "mistral-v7-tekken", "monarch", "openchat", "orion", "phi3", "phi4", "rwkv-world",
    "smolvlm", "vicuna", "vicuna-orca", "yandex", "zephyr",
)  # fmt: skip

_CHAT_OPTIONS = (
    _completion("--chat-template",
                "Built-in chat template instead of the model's; ends --jinja: "
                + ", ".join(_CHAT_TEMPLATES),
                Store("chat.template", choice(_CHAT_TEMPLATES), resets=_JINJA_FIELDS),
                "the model's own"),
    _completion("--jinja", "Use the model's Jinja template; ends --chat-template and its file",
                Assign("chat.jinja", True, resets=("chat.template", "chat.template_file"))),
    _completion("--chat-template-file", "Jinja chat template of this file; needs --jinja before it",
                Store("chat.template_file", path(), needs="chat.jinja"), "the model's own"),
    _completion("--chat-template-kwargs",
                "Variables of the Jinja chat template; needs --jinja before it",
                Store("chat.template_kwargs", template_variables(), needs="chat.jinja")),
    _completion("--enable-reasoning", "Let a model think that can",
                Assign("chat.enable_reasoning", True)),
    _completion("--no-enable-reasoning", "Keep a model from thinking, where its template can",
                Assign("chat.enable_reasoning", False)),
    _completion("--reasoning-budget", "Tokens a thinking block may have; 0 = none, -1 = no limit",
                Store("chat.reasoning_budget", integer(0, special={-1: None},
                                                       meaning="-1 for no limit")), "-1"),
    _completion("-sp --special", "Show special tokens in the answers",
                Assign("engine.special", True)),
)  # fmt: skip

_SAMPLING_OPTIONS = (
    _completion("--temp", "Temperature; 0 = always the likeliest token",
                Store("sampling.temperature", real(minimum=0))),
    _completion("--top-k", "Sample among this many likeliest tokens; 0 = all",
                Store("sampling.top_k", integer(0))),
    _completion("--top-p", "Sample among tokens that hold this probability; 1 = all",
                Store("sampling.top_p", real(0, 1))),
    _completion("--min-p", "Least probability relative to the likeliest token; 0 = any",
                Store("sampling.min_p", real(0, 1))),
    _completion("--repeat-last-n", "Tokens the penalties look back at; 0 = none, -1 = context",
                Store("sampling.repeat_last_n", integer(0, special={-1: None},
                                                        meaning="-1 for the context size"))),
    _completion("--repeat-penalty", "Divisor for the logits of repeated tokens; 1 = none",
                Store("sampling.repeat_penalty", real(above=0))),
    _completion("--presence-penalty", "Taken once from the logit of a repeated token; 0 = none",
                Store("sampling.presence_penalty", real())),
    _completion("--frequency-penalty", "Taken for each repetition of a token; 0 = none",
                Store("sampling.frequency_penalty", real())),
)  # fmt: skip

OPTIONS: tuple[Option, ...] = (
    _GENERAL_OPTIONS
    + _SERVER_OPTIONS
    + ACCESS_OPTIONS
    + _CONTEXT_OPTIONS
    + DRAFT_OPTIONS
    + COMPUTE_OPTIONS
    + _CHAT_OPTIONS
    + _SAMPLING_OPTIONS
    + SAMPLER_OPTIONS
    + IMAGE_OPTIONS
    + MEDIA_OPTIONS
    + RPC_OPTIONS
)

BY_NAME: dict[str, Option] = {spelling: option for option in OPTIONS for spelling in option.names}
