"""The command as its users run it: load, clients that leave, a worker that dies, bad files."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from box_process import Box
from llamabox.models import DEMO_MODEL

StartBox = Callable[..., Box]
STORY = "Tell me a story about a cat."


@pytest.fixture
def start_box() -> Iterator[StartBox]:
    """Starts boxes that end with the test."""
    boxes: list[Box] = []

    def start(*args: str) -> Box:
        boxes.append(Box(*args))
        return boxes[-1]

    yield start
    for box in boxes:
        if box.process.poll() is None:
            box.process.kill()
            box.wait()


def n_finished(answers: list[bytes]) -> int:
    return sum(b"200 OK" in answer and b"data: [DONE]" in answer for answer in answers)


async def test_many_clients_on_few_slots_all_finish(start_box: StartBox) -> None:
    box = start_box("-np", "8", "--max-queue", "300", "--metrics")
    answers = await asyncio.gather(*(box.chat(f"{STORY} {i}", max_tokens=32) for i in range(256)))
    assert n_finished(answers) == 256
    assert await box.metric("llamabox:slots_busy") == 0
    assert box.stop() == 0


async def test_clients_that_leave_at_random_free_everything(start_box: StartBox) -> None:
    box = start_box("-np", "8", "--max-queue", "300", "--metrics")
    chance = random.Random(7)
    await asyncio.gather(
        *(box.chat(f"{STORY} {i}", leave_after=chance.randrange(1, 4000)) for i in range(200))
    )
    # A request behind them all is answered, and then nothing is left of them.
    assert n_finished([await box.chat(STORY)]) == 1
    assert await box.metric("llamabox:slots_busy") == 0
    assert await box.metric("llamabox:requests_waiting") == 0
    assert box.stop() == 0


async def test_a_killed_worker_is_replaced_while_clients_wait(start_box: StartBox) -> None:
    box = start_box("-np", "64", "-c", "16384")
    streams = [asyncio.create_task(box.chat(f"{STORY} {i}")) for i in range(64)]
    await box.chat("Hello!", leave_after=1)
    worker = box.worker
    worker.kill()
    await asyncio.to_thread(worker.wait, 30)
    # Connections that come now wait in the backlog of the supervisor's socket until the next worker
    # takes them; it listens before its model is loaded.
    later = [asyncio.create_task(box.chat("What is 9 + 8?")) for _ in range(8)]
    await asyncio.to_thread(box.wait_for, r"msg=(ready)")
    answers = await asyncio.gather(*later)
    assert all(answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")) for answer in answers)
    assert n_finished(await asyncio.gather(*(box.chat("Hello!") for _ in range(8)))) == 8
    await asyncio.gather(*streams)
    assert box.stop() == 0


@pytest.mark.full
async def test_memory_is_flat_over_many_requests(start_box: StartBox) -> None:
    box = start_box("-np", "8", "--max-queue", "300", "--cache-ram", "0")

    async def round_of(n: int) -> int:
        for begin in range(0, n, 100):
            answers = await asyncio.gather(
                *(box.chat(f"{STORY} {begin + i}", max_tokens=16) for i in range(100))
            )
            assert n_finished(answers) == 100
        return int(box.worker.memory_info().rss)

    warm = await round_of(3000)
    assert await round_of(5000) < warm + 4 * 1024 * 1024
    assert box.stop() == 0


def refusal(*args: str) -> tuple[int, str]:
    """Exit code and log of a start that must fail."""
    command = [sys.executable, "-m", "llamabox", "--port", "0", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_bad_model_files_are_one_line_and_exit_1(tmp_path: Path) -> None:
    whole = DEMO_MODEL.read_bytes()
    files = {"text": b"hello\n" * 100, "cut": whole[: len(whole) // 2], "empty": b""}
    # Claims 2^60 keys.
    files["hostile"] = whole[:16] + (1 << 60).to_bytes(8, "little") + whole[24:]
    for name, content in files.items():
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(content)
        code, log = refusal("-m", str(path))
        assert code == 1, name
        assert len([line for line in log.splitlines() if "level=error" in line]) == 1, log
        assert str(path) in log
    code, log = refusal("-m", str(tmp_path / "missing.gguf"))
    assert code == 1
    assert "missing.gguf" in log


def test_a_port_in_use_is_one_line_and_exit_1(start_box: StartBox) -> None:
    box = start_box()
    code, log = refusal("--port", str(box.port))
    assert code == 1
    assert str(box.port) in log
    assert box.stop() == 0
