"""Settings of the RPC server; a group of ``config.ServerConfig``.

``None`` means that the option was not given: any that was makes this program an RPC server.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_HOST = "0.0.0.0"  # noqa: S104  # the specification's; a warning at start says so
DEFAULT_CACHE_MIB = 65536


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """What is lent to whom."""

    # A name or address to bind.
    host: str | None = None
    # 0 and None let the kernel choose; the chosen port is logged.
    port: int | None = None
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
        return self != RpcConfig()
