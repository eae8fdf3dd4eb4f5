"""Options of the RPC server; rows of option_table."""

from __future__ import annotations

from llamabox.keys import ALLOWED, read_keys
from llamabox.option_values import Value, count_or_automatic, integer, name, path
from llamabox.options import Assign, Effect, Group, Option, Store
from llamabox.rpc_config import DEFAULT_CACHE_MIB, DEFAULT_HOST

_MAX_THREADS = 512
_MAX_MIB = 2**30
_MAX_GPU = 127


def _rpc(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option((names,), Group.RPC_SERVER, help_text, effect, default)


def _devices() -> Value:
    """A list of GPUs, in which -1 stands for the CPU, each at most once."""

    def parse(text: str) -> object:
        numbers = [int(item) for item in text.split(",")]
        if len(set(numbers)) < len(numbers) or not all(-1 <= n <= _MAX_GPU for n in numbers):
            raise ValueError(text)
        return tuple("cpu" if number == -1 else number for number in numbers)

    return Value("LIST", f"different numbers of GPUs up to {_MAX_GPU}, or -1 for the CPU", parse)


RPC_OPTIONS: tuple[Option, ...] = (
    _rpc("--rpc-server-host", "Address to lend a device on",
         Store("rpc.host", name("HOST", "an address")), DEFAULT_HOST),
    _rpc("--rpc-server-port", "TCP port to lend a device on, and nothing else; 0 = off",
         Store("rpc.port", integer(0, 65535)), "0"),
    _rpc("--rpc-server-main-gpu", "GPU to lend; -1 = the CPU and its memory",
         Store("rpc.main_gpu", integer(0, _MAX_GPU, special={-1: "cpu"}, meaning="-1 for the CPU")),
         "0, else the CPU where there is no GPU"),
    _rpc("--rpc-server-devices", "Several devices of one server instead, comma-separated",
         Store("rpc.devices", _devices()), "the one of --rpc-server-main-gpu"),
    _rpc("--rpc-server-reserve-memory", "Memory of each device that clients never get, in MiB",
         Store("rpc.reserve_mib", integer(0, _MAX_MIB)), "0"),
    _rpc("--rpc-server-threads", "Threads that compute on the CPU; 0 and below = automatic",
         Store("rpc.n_threads", count_or_automatic(_MAX_THREADS, None)), "automatic"),
    _rpc("--rpc-server-cache", "Keep large weights on disk, checked by SHA-256",
         Assign("rpc.cache", True)),
    _rpc("--rpc-server-cache-dir", "Folder of those weights",
         Store("rpc.cache_dir", path()), "$XDG_CACHE_HOME/llamabox/rpc"),
    _rpc("--rpc-server-cache-size", "Most that is kept there, in MiB; the longest unused goes",
         Store("rpc.cache_mib", integer(1, _MAX_MIB)), str(DEFAULT_CACHE_MIB)),
    _rpc("--rpc-server-token", "Tokens, one of which llama-box clients must show; needs TLS",
         Store("rpc.token_digests", Value("TOKENS", ALLOWED, read_keys, secret=True)), "none"),
    _rpc("--rpc-server-ssl-cert-file", "Lend over TLS only, with this certificate chain (PEM)",
         Store("rpc.ssl_cert_file", path()), "none, plain TCP"),
    _rpc("--rpc-server-ssl-key-file", "Private key of that certificate (PEM, without a password)",
         Store("rpc.ssl_key_file", path()), "none"),
    _rpc("--rpc-server-metrics-port", "Port of /metrics and /health over HTTP; 0 = off",
         Store("rpc.metrics_port", integer(0, 65535)), "0"),
)  # fmt: skip
