"""Options of compute threads, devices, position encoding and adapters; rows of option_table."""

from __future__ import annotations

from llamabox.compute_values import (
    cpu_mask,
    cpu_range,
    devices,
    endpoints,
    factor,
    frequency,
    metadata_override,
    number_or_model,
    shares,
    switch,
    tensor_placements,
)
from llamabox.keys import read_token
from llamabox.option_values import Value, choice, integer, path, real
from llamabox.options import Assign, Effect, Group, Option, Store, Words

_MAX_LAYERS = 512


def _server(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.SERVER, help_text, effect, default)


def _token() -> Value:
    return Value("TOKEN", "1 to 512 printable ASCII characters, no spaces", read_token, secret=True)


def _completion(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.COMPLETION, help_text, effect, default)


_THREAD_OPTIONS = (
    _completion("-C --cpu-mask", "CPUs of the compute threads as the bits of a hex number",
                Store("threads.cpu_mask", cpu_mask()), "any"),
    _completion("-Cr --cpu-range", "CPUs of the compute threads; adds to --cpu-mask",
                Store("threads.cpu_range", cpu_range()), "any"),
    _completion("--cpu-strict", "1 = one of these CPUs for each compute thread",
                Store("threads.cpu_strict", switch()), "0"),
    _completion("--prio", "Schedule of the compute threads: 0 normal, 1 medium, 2 high, 3 realtime",
                Store("threads.prio", integer(0, 3))),
    _completion("--poll", "How long idle compute threads spin before they sleep, 0 to 100",
                Store("threads.poll", integer(0, 100))),
    _completion("-Cb --cpu-mask-batch", "As --cpu-mask, while a prompt or several slots are run",
                Store("threads.cpu_mask_batch", cpu_mask()), "same as --cpu-mask"),
    _completion("-Crb --cpu-range-batch", "As --cpu-range, while a prompt or several slots are run",
                Store("threads.cpu_range_batch", cpu_range()), "same as --cpu-range"),
    _completion("--cpu-strict-batch", "As --cpu-strict, with --cpu-mask-batch",
                Store("threads.cpu_strict_batch", switch()), "same as --cpu-strict"),
    _completion("--prio-batch", "As --prio, while a prompt or several slots are run",
                Store("threads.prio_batch", integer(0, 3)), "same as --prio"),
    _completion("--poll-batch", "As --poll, while a prompt or several slots are run",
                Store("threads.poll_batch", integer(0, 100)), "same as --poll"),
    _completion("--numa", "Spread over NUMA nodes: distribute, isolate to the first node, numactl",
                Store("placement.numa", choice(("distribute", "isolate", "numactl"))), "off"),
)  # fmt: skip

_DEVICE_OPTIONS = (
    _server("--rpc", "RPC servers, comma-separated; their devices come before this machine's",
            Store("placement.rpc", endpoints()), "none"),
    _server("--rpc-token", "Token that these servers ask for; they are reached over TLS then",
            Store("placement.rpc_token", _token()), "none"),
    _server("--rpc-ssl-ca-file", "Certificates (PEM) that such servers are trusted by; implies TLS",
            Store("placement.rpc_ca_file", path()), "the system's, where --rpc-token is given"),
    _server("-ts --tensor-split", "Share of the model for each device",
            Store("placement.tensor_split", shares()), "by free memory"),
    _server("-ot --override-tensor", "Buffer types of tensors whose names match; may be repeated",
            Words("placement.override_tensor", (tensor_placements(),), repeatable=True)),
    _completion("-dev --device", "Devices to offload to, see --list-devices; none = do not offload",
                Store("placement.devices", devices()), "all"),
    _completion("-sm --split-mode", "How devices share the model: none, layer, row, tensor",
                Store("placement.split_mode", choice(("none", "layer", "row", "tensor")))),
    _completion("-mg --main-gpu", "Device of the model with --split-mode none, of sums with row",
                Store("placement.main_gpu", integer(0, 127))),
    _completion("--override-kv", "Metadata that replaces the model file's; may be repeated",
                Words("placement.override_kv", (metadata_override(),), repeatable=True)),
)  # fmt: skip

_CACHE_OPTIONS = (
    _completion("-kvu --kv-unified", "All slots share the cells of the context",
                Assign("engine.kv_unified", True)),
    _completion("-no-kvu --no-kv-unified", "Each slot has its own part of the context",
                Assign("engine.kv_unified", False)),
    _completion("--no-cache-prompt", "Do not reuse what an earlier request left in the cells",
                Assign("engine.cache_prompt", False)),
    _completion("--cache-ram", "MiB of RAM for what the cells have no room for; 0 = none",
                Store("engine.cache_ram_mib", integer(0, 1 << 24)), "1/4 of free, <= 8192"),
    _completion("-dt --defrag-thold", "Without effect: the cells need no defragmentation",
                Store("engine.defrag_thold", real())),
)  # fmt: skip

_ROPE_OPTIONS = (
    _completion("--rope-scaling", "Scaling of positions: none, linear, yarn",
                Store("rope.scaling", choice(("none", "linear", "yarn"))), "the model's own"),
    _completion("--rope-scale", "Extends the context N times; the same as --rope-freq-scale 1/N",
                Store("rope.freq_scale", factor()), "the model's own"),
    _completion("--rope-freq-base", "Base frequency of positions; 0 = the model's own",
                Store("rope.freq_base", frequency()), "0"),
    _completion("--rope-freq-scale", "Extends the context 1/N times; 0 = the model's own",
                Store("rope.freq_scale", frequency()), "0"),
    _completion("--yarn-orig-ctx", "Context the model was trained with, for YaRN; 0 = its own",
                Store("rope.yarn_orig_ctx", integer(1, special={0: None},
                                                    meaning="0 for the model's own")), "0"),
    _completion("--yarn-ext-factor", "Mix of extrapolation; 0 = interpolation, below = the model's",
                Store("rope.yarn_ext_factor", number_or_model()), "-1.0"),
    _completion("--yarn-attn-factor", "Attention magnitude; computed unless --yarn-ext-factor is 0",
                Store("rope.yarn_attn_factor", number_or_model()), "1.0"),
    _completion("--yarn-beta-fast", "Low correction dimension, the model's own where it has one",
                Store("rope.yarn_beta_fast", number_or_model()), "32.0"),
    _completion("--yarn-beta-slow", "High correction dimension, the model's own where it has one",
                Store("rope.yarn_beta_slow", number_or_model()), "1.0"),
)  # fmt: skip

_ADAPTER_OPTIONS = (
    _server("--lora", "LoRA adapter (GGUF); may be repeated; implies --no-mmap",
            Words("adapters.loras", (path(),), tail=(1.0,), repeatable=True)),
    _server("--lora-scaled", "LoRA adapter with a scale; may be repeated",
            Words("adapters.loras", (path(), real()), repeatable=True)),
    _server("--lora-init-without-apply", "Load LoRA adapters without applying them",
            Assign("adapters.apply_loras", False)),
    _completion("--control-vector", "Control vector (GGUF); may be repeated, the vectors add up",
                Words("adapters.control_vectors", (path(),), tail=(1.0,), repeatable=True)),
    _completion("--control-vector-scaled", "Control vector with a scale; may be repeated",
                Words("adapters.control_vectors", (path(), real()), repeatable=True)),
    _completion("--control-vector-layer-range", "First and last layer with control vectors",
                Words("adapters.control_layers", (integer(1, _MAX_LAYERS),) * 2), "all"),
)  # fmt: skip

_ENCODER_OPTIONS = (
    _server("--pooling", "How the vectors of a text's tokens become its embedding:"
            " none, mean, cls, last; rank = --rerank where --embeddings is given",
            Store("encoder.pooling", choice(("none", "mean", "cls", "last", "rank"))),
            "the model's own"),
    _server("--attention", "What a token of an embedded text sees: causal, non-causal",
            Store("encoder.attention", choice(("causal", "non-causal"))), "the model's own"),
)  # fmt: skip

COMPUTE_OPTIONS: tuple[Option, ...] = (
    _THREAD_OPTIONS
    + _DEVICE_OPTIONS
    + _CACHE_OPTIONS
    + _ROPE_OPTIONS
    + _ADAPTER_OPTIONS
    + _ENCODER_OPTIONS
)
