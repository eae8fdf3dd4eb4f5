"""Options of the RPC server; rows of option_table."""

from __future__ import annotations

from llamabox.option_values import count_or_automatic, integer, name, path
from llamabox.options import Assign, Effect, Group, Option, Store
from llamabox.rpc_config import DEFAULT_CACHE_MIB, DEFAULT_HOST

_MAX_THREADS = 512
_MAX_MIB = 2**30


def _rpc(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option((names,), Group.RPC_SERVER, help_text, effect, default)


RPC_OPTIONS: tuple[Option, ...] = (
    _rpc("--rpc-server-host", "Address to lend a device on",
         Store("rpc.host", name("HOST", "an address")), DEFAULT_HOST),
    _rpc("--rpc-server-port", "TCP port to lend a device on, and nothing else; 0 = off",
         Store("rpc.port", integer(0, 65535)), "0"),
    _rpc("--rpc-server-main-gpu", "GPU to lend; -1 = the CPU and its memory",
         Store("rpc.main_gpu", integer(0, 127, special={-1: "cpu"}, meaning="-1 for the CPU")),
         "0, else the CPU where there is no GPU"),
    _rpc("--rpc-server-reserve-memory", "Memory of the device that clients never get, in MiB",
         Store("rpc.reserve_mib", integer(0, _MAX_MIB)), "0"),
    _rpc("--rpc-server-threads", "Threads that compute on the CPU; 0 and below = automatic",
         Store("rpc.n_threads", count_or_automatic(_MAX_THREADS, None)), "automatic"),
    _rpc("--rpc-server-cache", "Keep large weights on disk, checked by SHA-256",
         Assign("rpc.cache", True)),
    _rpc("--rpc-server-cache-dir", "Folder of those weights",
         Store("rpc.cache_dir", path()), "$XDG_CACHE_HOME/llamabox/rpc"),
    _rpc("--rpc-server-cache-size", "Most that is kept there, in MiB; the longest unused goes",
         Store("rpc.cache_mib", integer(1, _MAX_MIB)), str(DEFAULT_CACHE_MIB)),
)  # fmt: skip
