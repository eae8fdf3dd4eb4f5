"""The settings of one server process, as immutable values grouped by the part that reads them.

Every default of the program stands here and nowhere else; the option table only points at a
field (``"engine.n_ctx"``). ``None`` always means what the field's comment says, never a number
with a hidden meaning. ``to_json`` and ``from_json`` carry the settings to the worker process.
"""

from __future__ import annotations

import dataclasses
import json
import signal
from dataclasses import dataclass, field
from typing import Any

from llamabox.chat_config import ChatConfig
from llamabox.compute_config import (
    AdapterConfig,
    ContextConfig,
    EncoderConfig,
    PlacementConfig,
    RopeConfig,
    ThreadsConfig,
)
from llamabox.draft_config import DraftConfig
from llamabox.image_config import ImageConfig
from llamabox.media_config import MediaConfig
from llamabox.rpc_config import RpcConfig
from llamabox.sampling_config import SamplingConfig

DEFAULT_MODEL_PATH = "models/7B/ggml-model-f16.gguf"
"""The model file used without ``--model`` when it exists in the working directory."""

DEFAULT_N_SLOTS = 4
MAX_N_SLOTS = 240
"""llama.cpp has 256 sequence ids; the rest is kept for sequences that no slot shows."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Sockets and connections; all times are seconds."""

    # A name or address to bind, or the path of a Unix socket when it ends in ".sock".
    host: str = "127.0.0.1"
    # 0 lets the kernel choose; the chosen port is logged.
    port: int = 8080
    # Ceiling for reading one body and for one blocked write.
    timeout_s: float = 600
    # Wait for the first byte of a new connection.
    conn_idle_s: float = 60
    # Wait for the next request on a connection that has served one.
    conn_keepalive_s: float = 15
    # A stream whose reader takes nothing for this long is cancelled.
    write_stall_s: float = 30
    # Pause between two SSE comments while no event comes; None sends none.
    sse_ping_interval_s: float | None = 15
    # Whether GET /metrics exists.
    metrics: bool = False

    @property
    def unix_path(self) -> str | None:
        """The path of the Unix socket, or None when ``host`` names a network address."""
        return self.host if self.host.endswith(".sock") else None


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """Who may use the server, and how its connections are protected."""

    # SHA-256 of each key, in hexadecimal; without any, nobody is asked for one.
    key_digests: tuple[str, ...] = field(default=(), repr=False)
    # Read at start, when its keys join the others.
    api_key_file: str | None = None
    # Both or neither; neither serves plain HTTP.
    ssl_cert_file: str | None = None
    ssl_key_file: str | None = None
    # Origins of web pages; None leaves it to where the server listens.
    cors_origins: tuple[str, ...] | None = None
    # Names taken in Host; None leaves it to where the server listens.
    allowed_hosts: tuple[str, ...] | None = None
    # In front of every path; empty or beginning with a slash.
    api_prefix: str = ""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which model file is served and how it is loaded."""

    # None until the command line is complete; the worker always gets a path.
    path: str | None = None
    # The id in /v1/models; None until it is derived from the file name.
    alias: str | None = None
    # Layers kept on a GPU; None leaves the choice to the engine, 0 is CPU only.
    n_gpu_layers: int | None = None
    use_mmap: bool = True
    use_mlock: bool = False
    # One empty run before the server reports ready.
    warmup: bool = True


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Context, batch, threads and admission; counts are tokens unless the name says otherwise."""

    # None takes the length the model was trained with. All slots share these cells.
    n_ctx: int | None = 4096
    # Most rows of one decode call.
    n_batch: int = 2048
    # Most rows computed at a time; never above n_batch once the command line is complete.
    n_ubatch: int = 512
    # Sequences decoded at the same time.
    n_slots: int = DEFAULT_N_SLOTS
    # Requests that may wait for a slot; one more is refused.
    max_queue: int = 256
    # Milliseconds of a step beside running streams; None is chosen by what steps cost.
    itl_target_ms: int | None = None
    # Compute threads while generating; None is one per physical core.
    n_threads: int | None = None
    # Compute threads while a prompt is read; None is the same as n_threads.
    n_threads_batch: int | None = None
    # None: where the device has kernels for it.
    flash_attn: bool | None = None
    # Keep the whole context for sliding-window layers too.
    swa_full: bool = False
    # Keep the KV cells on the device that computes their layer.
    offload_kqv: bool = True
    # ggml type names.
    type_k: str = "f16"
    type_v: str = "f16"
    # One pool of cells for all slots; else each slot has its part of the context.
    kv_unified: bool = True
    # Reuse what an earlier request left in the cells.
    cache_prompt: bool = True
    # Whether special tokens are part of the answers' text.
    special: bool = False
    # Most tokens per second that a request may ask for by its header; 0 reads no header, None is
    # what the model does when it is measured at the start.
    tokens_per_second: int | None = 0
    # Read and not used: the cells need no defragmentation.
    defrag_thold: float = 0.1


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What goes to stderr."""

    # 0 and 1 log requests and what an operator needs, 2 to 5 add what llama.cpp says, above 5 adds
    # every detail.
    verbosity: int = 0
    colors: bool = False


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """How this process was started; the supervisor fills the last three for its worker."""

    # Run the server in a child process that is restarted when it dies.
    supervise: bool = True
    # Unexpected deaths of earlier workers of this server.
    restart_count: int = 0
    # Descriptor on which ``notify_ready`` reports; None without a supervisor.
    control_fd: int | None = None
    # Signals that ask the server to stop: the first drains, the second ends at once.
    stop_signals: tuple[int, ...] = (int(signal.SIGTERM), int(signal.SIGINT))


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything a server process needs to know; see the groups."""

    http: HttpConfig = field(default_factory=HttpConfig)
    access: AccessConfig = field(default_factory=AccessConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    threads: ThreadsConfig = field(default_factory=ThreadsConfig)
    placement: PlacementConfig = field(default_factory=PlacementConfig)
    rope: RopeConfig = field(default_factory=RopeConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    adapters: AdapterConfig = field(default_factory=AdapterConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    chat: ChatConfig = field(default_factory=ChatConfig)
    log: LogConfig = field(default_factory=LogConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)
    rpc: RpcConfig = field(default_factory=RpcConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    draft: DraftConfig = field(default_factory=DraftConfig)
    images: ImageConfig = field(default_factory=ImageConfig)

    def get(self, target: str) -> Any:
        """Return the field that ``target`` names as ``"group.field"``."""
        group, name = target.split(".")
        return getattr(getattr(self, group), name)

    def replace(self, **targets: Any) -> ServerConfig:
        """Return a copy with fields changed, named as ``group__field=value``."""
        return self.with_values({name.replace("__", ".", 1): v for name, v in targets.items()})

    def with_values(self, values: dict[str, Any]) -> ServerConfig:
        """Return a copy with the fields changed that the ``"group.field"`` keys name."""
        grouped: dict[str, dict[str, Any]] = {}
        for target, value in values.items():
            group, name = target.split(".")
            grouped.setdefault(group, {})[name] = value
        changed = {
            group: dataclasses.replace(getattr(self, group), **fields)
            for group, fields in grouped.items()
        }
        return dataclasses.replace(self, **changed)


_GROUPS: dict[str, Any] = {
    group.name: group.default_factory for group in dataclasses.fields(ServerConfig)
}


def to_json(config: ServerConfig) -> str:
    """Return the settings as one line of JSON that ``from_json`` reads back unchanged."""
    return json.dumps(dataclasses.asdict(config))


def from_json(text: str) -> ServerConfig:
    """Return the settings that ``to_json`` wrote; a foreign text raises ValueError or TypeError."""
    groups = json.loads(text)
    built = {}
    for name, fields in groups.items():
        values = {k: _with_tuples(v) for k, v in fields.items()}
        if name not in _GROUPS:
            raise ValueError(f"unknown group of settings: {name}")
        built[name] = _GROUPS[name](**values)
    return ServerConfig(**built)


def _with_tuples(value: Any) -> Any:
    """JSON has no tuples; the settings have no lists."""
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value
