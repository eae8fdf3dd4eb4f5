"""What options of threads, memory and devices do, seen at the operating system or in the server.

Where nothing can be observed on a machine without a GPU, the row asserts on the parameters that the
model is loaded with (``PARAMETERS``).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from box_process import TIMEOUT_S, Box
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from llamabox.option_parser import parse
from real_core import provide_core

CPUS = sorted(os.sched_getaffinity(0))
FIRST, LAST = CPUS[0], CPUS[-1]
_BASE = ("-m", str(DEMO_MODEL), "-c", "512", "-np", "2", "--poll", "0")


@contextmanager
def box(*words: str) -> Iterator[Box]:
    """A server that has answered once with one row at a time, so that its threads run."""
    server = Box(*_BASE, *words)
    try:
        ask(server)
        yield server
    finally:
        server.stop()


def ask(server: Box, n: int = 4) -> dict[str, Any]:
    body = json.dumps({"prompt": "Once upon", "max_tokens": n, "temperature": 0}).encode()
    url = f"http://127.0.0.1:{server.port}/v1/completions"
    with urllib.request.urlopen(url, body, timeout=TIMEOUT_S) as reply:
        answer: dict[str, Any] = json.load(reply)
    return answer


def meta(server: Box) -> dict[str, Any]:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{server.port}/v1/models", timeout=TIMEOUT_S
    ) as reply:
        found: dict[str, Any] = json.load(reply)["data"][0]["meta"]
    return found


def tasks(server: Box) -> list[int]:
    return [int(name) for name in os.listdir(f"/proc/{server.worker.pid}/task")]


def affinities(server: Box) -> list[frozenset[int]]:
    """The allowed CPUs of each thread of the worker."""
    return [frozenset(os.sched_getaffinity(task)) for task in tasks(server)]


def policies(server: Box) -> list[tuple[int, int]]:
    """Scheduling class and level of each thread."""
    return [
        (os.sched_getscheduler(task), os.sched_getparam(task).sched_priority)
        for task in tasks(server)
    ]


def locked_kib(server: Box) -> int:
    status = Path(f"/proc/{server.worker.pid}/status").read_text()
    return int(re.findall(r"VmLck:\s+(\d+)", status)[0])


def maps_model(server: Box) -> bool:
    return str(DEMO_MODEL) in Path(f"/proc/{server.worker.pid}/maps").read_text()


def n_pinned(server: Box, cpu: int) -> int:
    return affinities(server).count(frozenset({cpu}))


def may_use(priority: int) -> bool:
    """Whether this user's processes may have real-time scheduling."""
    code = f"import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param({priority}))"
    tried = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    return tried.returncode == 0


def test_threads_are_as_many_as_asked_for() -> None:
    with box("-t", "1") as one:
        n_one = len(tasks(one))
    with box("-t", "3") as three:
        assert len(tasks(three)) == n_one + 2
    # The engine's thread is one of each pool, so the second pool adds three.
    with box("-t", "1", "-tb", "4") as two_pools:
        assert len(tasks(two_pools)) == n_one + 3


@pytest.mark.parametrize("words", [("-C", f"{1 << LAST:x}"), ("-Cr", f"{LAST}-{LAST}")])
def test_cpu_mask_and_range_bind_the_compute_threads_and_no_others(words: tuple[str, str]) -> None:
    with box("-t", "2", *words) as server:
        n_all = len(tasks(server))
        assert n_pinned(server, LAST) == (2 if len(CPUS) > 1 else n_all)
        assert n_all > 2


def test_strict_placement_gives_each_thread_a_cpu_of_its_own() -> None:
    words = ("-t", str(len(CPUS)), "-C", f"{sum(1 << cpu for cpu in CPUS):x}")
    with box(*words, "--cpu-strict", "1") as strict:
        assert all(n_pinned(strict, cpu) >= 1 for cpu in CPUS)
    if len(CPUS) > 1:
        with box(*words) as loose:
            assert all(n_pinned(loose, cpu) == 0 for cpu in CPUS)


def test_batches_have_places_of_their_own_and_otherwise_the_same() -> None:
    masks = ("-C", f"{1 << FIRST:x}", "-Cb", f"{1 << LAST:x}")
    with box("-t", "2", "-tb", "2", *masks) as server:
        n_all = len(tasks(server))
        # One thread more in each pool; the engine's own has just run a single row.
        one_cpu = len(CPUS) == 1
        assert n_pinned(server, FIRST) == (n_all if one_cpu else 2)
        assert n_pinned(server, LAST) == (n_all if one_cpu else 1)
    with box("-t", "2", "-tb", "3", "-Crb", f"{LAST}-{LAST}") as server:
        # A pool without a place of its own takes the engine's thread back to all CPUs.
        assert n_pinned(server, LAST) == (len(tasks(server)) if len(CPUS) == 1 else 2)


def refusal_of(*words: str) -> str:
    command = [sys.executable, "-m", "llamabox", "--port", "0", *_BASE, *words]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert ended.returncode == 1
    return ended.stderr


def test_priority_is_a_real_time_class_or_is_refused() -> None:
    if not may_use(40):
        assert "prio" in refusal_of("--prio", "1")
        assert "prio-batch" in refusal_of("--prio-batch", "1")
        return
    with box("-t", "2", "--prio", "1") as server:
        assert policies(server).count((os.SCHED_FIFO, 40)) == 2
    with box("-t", "2", "-tb", "2", "--prio-batch", "1") as server:
        # One of the batch's pool; the engine's thread was lowered again for its single rows.
        assert policies(server).count((os.SCHED_FIFO, 40)) == 1
        assert policies(server).count((os.SCHED_OTHER, 0)) == len(tasks(server)) - 1


def test_cpus_that_there_are_not_are_refused_by_the_option() -> None:
    missing = next(cpu for cpu in range(512) if cpu not in CPUS)
    assert "cpu-mask" in refusal_of("-C", f"{1 << missing:x}")
    assert "cpu-mask-batch" in refusal_of("-Crb", f"{missing}-{missing}")


def cached(server: Box) -> int:
    """Tokens of a prompt that was asked before which come from the cells."""
    return int(ask(server)["usage"]["prompt_tokens_details"]["cached_tokens"])


# What is seen without the option, the option, and what is seen with it.
EFFECTS: dict[str, tuple[Callable[[Box], object], object, tuple[str, ...], object]] = {
    "mlock": (lambda b: locked_kib(b) > 512, False, ("--mlock",), True),
    "no-mmap": (maps_model, True, ("--no-mmap",), False),
    "lora": (maps_model, True, ("--lora", f"{ROOT}/tests/models/lora-a.gguf"), False),
    "lora-mmap": (
        maps_model, True, ("--mmap", "--lora", f"{ROOT}/tests/models/lora-a.gguf"), True,
    ),
    "no-kv-unified": (lambda b: meta(b)["n_slot_ctx"], 512, ("--no-kv-unified",), 256),
    "no-cache-prompt": (lambda b: cached(b) > 0, True, ("--no-cache-prompt",), False),
    "override-kv": (
        lambda b: meta(b)["n_ctx_train"], 8192,
        ("--override-kv", "llama.context_length=int:1024"), 1024,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Iterator[Box]:
    with box() as server:
        yield server


@pytest.mark.parametrize("name", EFFECTS)
def test_the_option_changes_what_is_seen(plain: Box, name: str) -> None:
    observe, without, words, expected = EFFECTS[name]
    assert observe(plain) == without
    with box(*words) as server:
        assert observe(server) == expected


# Only the parameters can be observed here: the words, where they go, and the value.
PARAMETERS: list[tuple[str, str, object]] = [
    ("--poll 7", "context.placement.poll", 7),
    ("--poll 7", "context.placement_batch.poll", 7),
    ("--poll-batch 8", "context.placement_batch.poll", 8),
    ("--poll-batch 8", "context.placement.poll", 50),
    ("--cpu-strict 1", "context.placement_batch.strict", True),
    ("--cpu-strict 1 --cpu-strict-batch 0", "context.placement_batch.strict", False),
    ("--prio 2", "context.placement_batch.priority", 2),
    ("-C 3 -Cr 4-5", "context.placement.cpus", [0, 1, 4, 5]),
    ("-C 3 -Crb 4-5", "context.placement_batch.cpus", [4, 5]),
    ("-C 3", "context.placement_batch.cpus", [0, 1]),
    ("--numa distribute", "model.numa.name", "DISTRIBUTE"),
    ("--numa isolate", "model.numa.name", "ISOLATE"),
    ("--numa numactl", "model.numa.name", "NUMACTL"),
    ("-ts 3,1", "model.tensor_split", [3, 1]),
    ("-sm row", "model.split_mode.name", "ROW"),
    ("-sm none", "model.split_mode.name", "NONE"),
    ("-sm tensor", "model.split_mode.name", "TENSOR"),
    ("-mg 1", "model.main_gpu", 1),
    ("-dev none", "model.devices", []),
    ("--port 1", "model.devices", None),
    ("-dev CUDA0,CUDA1", "model.devices", ["CUDA0", "CUDA1"]),
    ("-ot a=CPU,b=CPU -ot c=CPU", "model.placements.2.pattern", "c"),
    ("-ot a=CPU", "model.placements.0.buffer_type", "CPU"),
    ("--override-kv llama.x=bool:true", "model.overrides.0.value", True),
    ("--override-kv llama.x=int:1", "model.overrides.0.value", 1),
    ("--override-kv llama.x=float:1.5", "model.overrides.0.value", 1.5),
    ("--override-kv llama.x=str:1", "model.overrides.0.value", "1"),
    ("--rope-scaling linear", "context.rope.scaling.name", "LINEAR"),
    ("--rope-scale 4", "context.rope.freq_scale", 0.25),
    ("--rope-freq-scale 0.5", "context.rope.freq_scale", 0.5),
    ("--rope-freq-base 5000", "context.rope.freq_base", 5000),
    ("--yarn-orig-ctx 64", "context.rope.yarn_orig_ctx", 64),
    ("--yarn-ext-factor 0.5", "context.rope.yarn_ext_factor", 0.5),
    ("--yarn-attn-factor 2", "context.rope.yarn_attn_factor", 2),
    ("--yarn-beta-fast 16", "context.rope.yarn_beta_fast", 16),
    ("--yarn-beta-slow 4", "context.rope.yarn_beta_slow", 4),
    ("--yarn-beta-slow -1", "context.rope.yarn_beta_slow", None),
    ("--lora a.gguf", "adapters.loras.0.scale", 1),
    ("--lora-scaled a.gguf 0.5 --lora-init-without-apply", "adapters.loras.0.scale", 0),
    ("--control-vector-scaled c.gguf 0.5", "adapters.control_vectors.0.scale", 0.5),
    ("--control-vector-layer-range 1 2", "adapters.control_last_layer", 2),
    ("--control-vector c.gguf", "adapters.control_last_layer", -1),
    ("--flash-attn", "context.flash_attn.name", "ON"),
    ("--no-flash-attn", "context.flash_attn.name", "OFF"),
    ("--swa-full", "context.swa_full", True),
    ("-nkvo", "context.kv_offload", False),
    ("-ngl 3", "model.n_gpu_layers", 3),
    ("--no-warmup", "context.warmup", False),
    ("--no-warmup --warmup", "context.warmup", True),
    ("-b 64", "context.n_batch", 64),
    ("-ub 64", "context.n_ubatch", 64),
    ("-ctk q8_0", "context.cache_type_k", "q8_0"),
    ("-md d.gguf -devd none", "draft.devices", []),
    ("-md d.gguf", "draft.devices", None),
    ("-md d.gguf -ngld 3", "draft.n_gpu_layers", 3),
    ("-md d.gguf", "context.n_draft_max", 16),
    ("-md d.gguf --draft 0", "context.n_draft_max", 0),
    ("-ctv q8_0", "context.cache_type_v", "q8_0"),
]


@pytest.mark.parametrize(
    ("words", "path", "expected"), PARAMETERS, ids=[f"{row[0]} {row[1]}" for row in PARAMETERS]
)
def test_the_option_reaches_the_parameters(words: str, path: str, expected: object) -> None:
    provide_core()
    from llamabox.model_loader import llama_params

    found: Any = llama_params(parse(["-m", "m.gguf", *words.split()]).config)
    for step in path.split("."):
        found = found[int(step)] if step.isdecimal() else getattr(found, step)
    assert found == expected
    assert type(found) is not bool or type(expected) is bool


def test_special_tokens_are_shown() -> None:
    question = {"prompt": "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"}
    body = json.dumps({**question, "max_tokens": 64, "temperature": 0}).encode()
    with box() as plain, box("--special") as special:
        texts = []
        for server in (plain, special):
            url = f"http://127.0.0.1:{server.port}/v1/completions"
            with urllib.request.urlopen(url, body, timeout=TIMEOUT_S) as reply:
                texts.append(json.load(reply)["choices"][0]["text"])
    assert texts[1] == texts[0] + "<|im_end|>"
