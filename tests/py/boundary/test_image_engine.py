"""The image engine through the extension module, with a model whose bytes are known."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_core import core, fake_image_engine, fake_pixels
from llamabox.errors import DeviceLostError, InvalidArgumentError, UnavailableError
from llamabox.image_names import SAMPLERS, SCHEDULES
from llamabox.stream import Stream


class Sink:
    """Keeps all events; ``done`` resolves with the last one."""

    full = False

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.first = asyncio.Event()
        self.done = asyncio.get_running_loop().create_future()

    async def drain(self) -> None:
        """Never full."""

    def accept(self, stream: Stream, events: list[Any]) -> None:
        self.events += events
        self.first.set()
        if events[-1].kind == "done":
            self.done.set_result(events[-1])

    def fail(self, error: Exception) -> None:
        self.done.set_exception(error)


def request(**fields: Any) -> Any:
    wanted = {"prompt": "a", "width": 64, "height": 64, "steps": 3, "seed": 5}
    return core.ImageRequest(**{**wanted, "sampler": "euler", "schedule": "default", **fields})


def test_names_are_those_of_the_core() -> None:
    assert list(SAMPLERS) == core.image_samplers()
    assert list(SCHEDULES) == core.image_schedules()


async def test_images_come_as_bytes() -> None:
    engine = fake_image_engine()
    engine.start()
    sink = Sink()
    engine.submit(request(n=2, preview=core.Preview.FAST), sink)
    done = await sink.done
    assert (done.finish, done.error, done.usage.n_images, done.usage.n_steps) == (
        "stop",
        None,
        2,
        6,
    )
    kinds = [event.kind for event in sink.events]
    assert kinds == ["delta", "delta", "delta", "finish"] * 2 + ["done"]
    images = [event.pixels for event in sink.events if event.kind == "finish"]
    assert [image.bytes[:300] for image in images] == [fake_pixels(5, 300), fake_pixels(6, 300)]
    assert (images[0].width, images[0].height, images[0].n_channels) == (64, 64, 3)
    assert sink.events[0].pixels.width == 8
    assert engine.n_open == 0
    await engine.stop()


async def test_a_cancel_ends_a_long_request() -> None:
    engine = fake_image_engine(step_us=2000)
    engine.start()
    sink = Sink()
    stream = engine.submit(request(n=64, steps=150), sink)
    await sink.first.wait()
    stream.cancel()
    done = await sink.done
    assert done.finish == "cancelled"
    assert not [event for event in sink.events if event.kind == "finish"]
    await engine.stop()


async def test_a_failed_image_is_the_requests_own() -> None:
    engine = fake_image_engine(fails_on="bad")
    engine.start()
    bad, good = Sink(), Sink()
    engine.submit(request(prompt="bad"), bad)
    engine.submit(request(prompt="good"), good)
    done = await bad.done
    assert done.finish == "error" and "failed" in done.error.message
    assert (await good.done).finish == "stop"
    await engine.stop()


async def test_a_lost_device_ends_all_and_is_told() -> None:
    engine = fake_image_engine(n_slots=1, loses_on="far", step_us=1000)
    engine.start()
    far, near = Sink(), Sink()
    engine.submit(request(prompt="far"), far)
    engine.submit(request(prompt="near"), near)
    for sink in (far, near):
        done = await sink.done
        assert isinstance(done.error, DeviceLostError)
    assert engine.device_lost.is_set()
    assert not engine.stats().healthy
    with pytest.raises(UnavailableError):
        engine.submit(request(), Sink())
    await engine.stop()


async def test_a_refused_client_learns_from_the_rate_when_to_come_back() -> None:
    engine = fake_image_engine(n_slots=1)
    engine.start()
    assert engine.retry_after_s() == 1
    for _ in range(3):
        sink = Sink()
        engine.submit(request(), sink)
        await sink.done
    assert 1 <= engine.retry_after_s() <= 60
    await engine.stop()


async def test_refusals_and_the_end() -> None:
    engine = fake_image_engine()
    with pytest.raises(UnavailableError):
        engine.submit(request(), Sink())
    engine.start()
    with pytest.raises(InvalidArgumentError) as refusal:
        engine.submit(request(width=100), Sink())
    assert refusal.value.param == "width"
    await engine.stop()
    with pytest.raises(UnavailableError):
        engine.submit(request(), Sink())


async def test_pixels_go_in() -> None:
    engine = fake_image_engine()
    engine.start()
    sink = Sink()
    init = core.Pixels(64, 64, 3, bytes([10]) * (64 * 64 * 3))
    mask = core.Pixels(64, 64, 1, bytes([3]) * (64 * 64))
    engine.submit(request(init=init, mask=mask), sink)
    await sink.done
    (image,) = [event.pixels for event in sink.events if event.kind == "finish"]
    assert image.bytes[:200] == fake_pixels(5 + 10 + 3, 200)
    await engine.stop()
