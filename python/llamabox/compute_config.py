"""Settings of compute threads, position encoding, context and adapters; groups of
``config.ServerConfig``.

``None`` means what a field's comment says, never a number with a hidden meaning.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThreadsConfig:
    """Where and how compute threads run; those for steps of several rows end in ``_batch``."""

    # CPUs by number, of the mask and of the range; both empty: any.
    cpu_mask: tuple[int, ...] = ()
    cpu_range: tuple[int, ...] = ()
    # One CPU for each thread.
    cpu_strict: bool = False
    # 0 normal, 1 medium, 2 high, 3 realtime.
    prio: int = 0
    # How long idle threads spin before they sleep, 0 to 100.
    poll: int = 50
    # Both empty: those of the fields above. None: the field above.
    cpu_mask_batch: tuple[int, ...] = ()
    cpu_range_batch: tuple[int, ...] = ()
    cpu_strict_batch: bool | None = None
    prio_batch: int | None = None
    poll_batch: int | None = None


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """Position encoding; None is the model's own."""

    # "none", "linear" or "yarn".
    scaling: str | None = None
    freq_base: float | None = None
    # 1/N extends the context N times.
    freq_scale: float | None = None
    # Tokens.
    yarn_orig_ctx: int | None = None
    yarn_ext_factor: float | None = None
    yarn_attn_factor: float | None = None
    yarn_beta_fast: float | None = None
    yarn_beta_slow: float | None = None


@dataclass(frozen=True, slots=True)
class PlacementConfig:
    """Which devices hold the weights, and metadata that replaces the model file's."""

    # RPC servers as host:port; their devices come before this machine's.
    rpc: tuple[str, ...] = ()
    # Shown to each of them; it or the next one asks for TLS.
    rpc_token: str | None = None
    # File of the certificates that they are trusted by; None: those of the system.
    rpc_ca_file: str | None = None
    # Names of devices; None is all, empty is none.
    devices: tuple[str, ...] | None = None
    # "none", "layer", "row" or "tensor".
    split_mode: str = "layer"
    main_gpu: int = 0
    # Share of each device; empty goes by free memory.
    tensor_split: tuple[float, ...] = ()
    # A tuple of (pattern, buffer type) for each use of the option.
    override_tensor: tuple[tuple[tuple[str, str], ...], ...] = ()
    # (key, value) for each use of the option.
    override_kv: tuple[tuple[str, bool | int | float | str], ...] = ()
    # "distribute", "isolate" or "numactl".
    numa: str | None = None

    @property
    def rpc_secured(self) -> bool:
        """Whether the servers are reached over TLS."""
        return self.rpc_token is not None or self.rpc_ca_file is not None


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """What happens to the cells of texts that outgrow or outlive their slot; counts are tokens."""

    # Whether a full context loses tokens, where its memory can, instead of ending the text.
    shift: bool = True
    # First tokens of a prompt that it never loses; None is the whole prompt.
    n_keep: int | None = 0
    # Least length of a part of a retained prompt that is reused at another place; 0 is never.
    n_cache_reuse: int = 0
    # Folder of saved slots; None: slots are not saved.
    slot_save_path: str | None = None


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """Files that change the model, each with its scale."""

    loras: tuple[tuple[str, float], ...] = ()
    # Whether the LoRAs count from the start.
    apply_loras: bool = True
    control_vectors: tuple[tuple[str, float], ...] = ()
    # First and last layer; None is all.
    control_layers: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Embeddings and reranking."""

    # Whether there are embeddings beside the text.
    embeddings: bool = False
    # Whether documents are ranked; then no text is generated.
    rerank: bool = False
    # "none", "mean", "cls", "last" or "rank"; None is the model's own.
    pooling: str | None = None
    # "causal" or "non-causal"; None is the model's own.
    attention: str | None = None

    @property
    def ranks(self) -> bool:
        """Whether the server was started to rank documents, by either of the two options."""
        return self.rerank or (self.embeddings and self.pooling == "rank")

    @property
    def embeds(self) -> bool:
        """Whether the server was started to make embeddings."""
        return self.embeddings or self.rerank
