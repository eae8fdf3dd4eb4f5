"""The memory of images: a size that there is none for is refused before anything is computed, and
what a stage took is free again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_harness import LiveServer
from box_process import Box
from llamabox.config import ServerConfig
from llamabox.errors import InvalidArgumentError
from real_core import provide_core
from real_images import (
    BLUE,
    GENERATE,
    BareEngine,
    config_of,
    engine_of,
    made_by,
    make_files,
    wanted,
    words_of,
)

pytestmark = pytest.mark.image_build

# The steps of a picture of this side have room in what is left beside the model, its decoding has
# not; cut into tiles it has.
_SIDE = 512
_LEFT_MIB = 128
_MIB = 1 << 20


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    provide_core()
    return make_files(tmp_path_factory.mktemp("image-model"))


@pytest.fixture
def tight(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> ServerConfig:
    """The settings of a server on a machine with little memory."""
    from llamabox import image_loader

    n_model_bytes = sum(files[part].stat().st_size for part in ("model", "llm", "taesd"))
    available = n_model_bytes + _LEFT_MIB * _MIB
    monkeypatch.setattr(image_loader, "available_bytes", lambda: available)
    return config_of(files)


@pytest.fixture
def engine(tight: ServerConfig) -> Iterator[BareEngine]:
    engine = BareEngine(tight)
    yield engine
    engine.close()


def _refused(engine: BareEngine, **fields: Any) -> None:
    """No step of it was made."""
    told = f"{_LEFT_MIB} MiB are left beside the model"
    with pytest.raises(InvalidArgumentError, match=told) as refusal:
        engine.make(_SIDE, **fields)
    assert refusal.value.param == "size"
    assert engine.told == []


def test_a_size_without_memory_for_its_end_does_not_begin(engine: BareEngine) -> None:
    before = engine.make()
    for _ in range(2):
        _refused(engine)
        _refused(engine, init=engine.plain(BLUE, _SIDE), strength=0.5)
        assert engine.make() == before


def test_tiles_have_memory_where_the_whole_has_none(tight: ServerConfig) -> None:
    engine = BareEngine(tight.replace(images__vae_tiling=True))
    assert len(engine.make(_SIDE)) == 3 * _SIDE**2
    assert engine.told == [(1, 2), (2, 2)]
    engine.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_learns_it_by_a_400(tight: ServerConfig, stream: bool) -> None:
    server = LiveServer(engine_of(tight), tight)
    try:
        reply = server.post(GENERATE, wanted(size=f"{_SIDE}x{_SIDE}", stream=stream))
        assert (reply.status, reply.error["param"]) == (400, "size")
        assert server.post(GENERATE, wanted()).status == 200
    finally:
        server.close()


def _memory_mib(server: Box) -> dict[str, float]:
    """What the worker has now, and has had at most."""
    status = Path(f"/proc/{server.worker.pid}/status").read_text(encoding="ascii")
    rows = dict(line.split(":", 1) for line in status.splitlines())
    return {key: int(rows[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")}


def test_what_a_large_picture_took_is_free_again(files: dict[str, Path]) -> None:
    server = Box(*words_of(files), "--image-free-compute-memory-immediately")
    made_by(server)
    small = _memory_mib(server)
    made_by(server, size=f"{_SIDE}x{_SIDE}")
    first = _memory_mib(server)
    made_by(server, size=f"{_SIDE}x{_SIDE}")
    second = _memory_mib(server)
    # Pictures and their files stay in the allocator's hands.
    kept_mib = 32
    assert first["VmHWM"] > small["VmHWM"] + 4 * kept_mib
    assert first["VmRSS"] < small["VmRSS"] + kept_mib
    assert second["VmHWM"] < first["VmHWM"] + kept_mib
    assert server.stop() == 0
