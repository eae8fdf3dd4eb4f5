"""What each option of the command line stores: the tables that test_options.py walks through."""

from pathlib import Path
from typing import Any

from llamabox.keys import digest

_GRAMMAR_FILE = Path(__file__).parents[2] / "spec" / "yes_or_no.gbnf"

# First spelling of each option that takes a value: a word, its field and the field's value.
STORED: dict[str, list[tuple[str, str, Any]]] = {
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
    "--rpc-server-host": [("::1", "rpc.host", "::1")],
    "--rpc-server-port": [("0", "rpc.port", 0), ("50052", "rpc.port", 50052)],
    "--rpc-server-main-gpu": [("-1", "rpc.main_gpu", "cpu"), ("1", "rpc.main_gpu", 1)],
    "--rpc-server-reserve-memory": [("1024", "rpc.reserve_mib", 1024)],
    "--rpc-server-threads": [("2", "rpc.n_threads", 2), ("-1", "rpc.n_threads", None)],
    "--rpc-server-cache-dir": [("/c", "rpc.cache_dir", "/c")],
    "--rpc-server-cache-size": [("64", "rpc.cache_mib", 64)],
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

# Options of several words or several uses: the words after the flag, the field and its value.
WORDS: dict[str, tuple[list[str], str, Any]] = {
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
}

# The same for options of one word that add to what stood before.
ADDED: dict[str, list[tuple[str, str, Any]]] = {
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

ASSIGNED: dict[str, tuple[str, Any]] = {
    "-v": ("log.verbosity", 2147483647),
    "--log-colors": ("log.colors", True),
    "--jinja": ("chat.jinja", True),
    "--enable-reasoning": ("chat.enable_reasoning", True),
    "--no-enable-reasoning": ("chat.enable_reasoning", False),
    "--rpc-server-cache": ("rpc.cache", True),
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
