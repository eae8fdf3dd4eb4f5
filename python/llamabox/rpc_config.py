"""Settings of the RPC server; a group of ``config.ServerConfig``.

A port above 0 makes this program an RPC server; the other settings say how.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_HOST = "0.0.0.0"  # noqa: S104  # the specification's; a warning at start says so
DEFAULT_CACHE_MIB = 65536


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """What is lent to whom."""

    # A name or address to bind.
    host: str = DEFAULT_HOST
    # 0: this program is no RPC server.
    port: int = 0
    # Digests of tokens, one of which clients must show; none: nobody is asked.
    token_digests: tuple[str, ...] = ()
    # TLS with this certificate chain and its key; None: plain TCP.
    ssl_cert_file: str | None = None
    ssl_key_file: str | None = None
    # Where metrics are served over HTTP; 0: nowhere.
    metrics_port: int = 0
    # Several devices, GPUs counted from 0 and "cpu"; empty: the one of main_gpu.
    devices: tuple[int | str, ...] = ()
    # The GPU, counted from 0, or "cpu"; None is GPU 0 where there is one, else the CPU.
    main_gpu: int | str | None = None
    # Memory of the device that clients never get.
    reserve_mib: int | None = None
    # Threads that compute on the CPU; None leaves the number to ggml.
    n_threads: int | None = None
    # Keep large weights on disk.
    cache: bool = False
    # Where; None is a folder of the user's.
    cache_dir: str | None = None
    # The most that is kept there.
    cache_mib: int | None = None

    @property
    def serves(self) -> bool:
        """Whether this program is an RPC server and nothing else."""
        return self.port > 0

    @property
    def is_secured(self) -> bool:
        """Whether connections are encrypted."""
        return self.ssl_cert_file is not None
