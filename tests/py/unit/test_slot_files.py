"""Saved slots on disk: what was written comes back, anything else is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llamabox.config import ServerConfig
from llamabox.errors import InvalidArgumentError, LoadFailedError, NotFoundError
from llamabox.slot_files import SlotFile, SlotFolder, fingerprint, slot_folder

PRINT = bytes(range(32))
FILE = SlotFile(tokens=[1, 2, 300], n_exact=2, loras=[(0, 0.5)], state=b"\x00\xffstate" * 40)


@pytest.fixture
def folder(tmp_path: Path) -> SlotFolder:
    return SlotFolder(tmp_path, PRINT)


def test_what_was_written_comes_back(folder: SlotFolder, tmp_path: Path) -> None:
    n_bytes = folder.write("a.bin", FILE)
    path = tmp_path / "a.bin"
    assert path.stat().st_size == n_bytes
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = folder.read("a.bin", 3)
    assert (read.tokens, read.n_exact, read.loras) == (FILE.tokens, FILE.n_exact, FILE.loras)
    assert bytes(read.state) == FILE.state
    folder.write("a.bin", SlotFile([7], 1, [], b""))
    assert folder.read("a.bin", 3).tokens == [7]
    assert os.listdir(tmp_path) == ["a.bin"]


def test_every_flipped_byte_and_every_length_is_refused(folder: SlotFolder, tmp_path: Path) -> None:
    folder.write("a", FILE)
    whole = (tmp_path / "a").read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    damaged += [whole[:at] for at in range(len(whole))] + [whole + b"\0", whole * 2]
    for content in damaged:
        (tmp_path / "b").write_bytes(content)
        with pytest.raises(InvalidArgumentError) as caught:
            folder.read("b", 3)
        assert caught.value.param == "filename"


def test_files_of_another_model_or_context_are_refused(folder: SlotFolder, tmp_path: Path) -> None:
    folder.write("a", FILE)
    with pytest.raises(InvalidArgumentError, match="another model"):
        SlotFolder(tmp_path, bytes(32)).read("a", 3)
    with pytest.raises(InvalidArgumentError, match="the context holds 2"):
        folder.read("a", 2)


def test_links_pipes_and_folders_are_refused(folder: SlotFolder, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    folder.write("a", FILE)
    (tmp_path / "a").rename(outside)
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "sub", "pipe"):
        with pytest.raises(InvalidArgumentError):
            folder.read(name, 3)
    with pytest.raises(NotFoundError):
        folder.read("none", 3)
    kept = outside.read_bytes()
    folder.write("link", SlotFile([7], 1, [], b"new"))  # takes the link's place
    assert outside.read_bytes() == kept
    assert not (tmp_path / "link").is_symlink()
    with pytest.raises(OSError, match="directory"):
        folder.write("sub", FILE)
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe", "sub"]


def test_a_disk_error_leaves_the_folder_as_it_was(
    folder: SlotFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("a", FILE)
    before = (tmp_path / "a").read_bytes()

    def full(*args: object, **fields: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write("a", SlotFile([7], 1, [], b""))
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == before


def test_the_folder_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(LoadFailedError, match="--slot-save-path"):
            SlotFolder(path, PRINT)


def test_the_fingerprint_follows_what_a_state_depends_on(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(os.urandom(10_000_000))
    config = ServerConfig().replace(model__path=str(model))
    prints = {fingerprint(config, "b1"), fingerprint(config, "b2")}
    changes = {
        "engine__type_k": "q8_0",
        "engine__n_ctx": 512,
        "engine__kv_unified": False,
        "rope__freq_base": 5e5,
        "placement__override_kv": (("a", 1),),
        "adapters__loras": ((str(model), 1.0),),
    }
    for target, value in changes.items():
        prints.add(fingerprint(config.replace(**{target: value}), "b1"))
    assert len(prints) == 2 + len(changes)
    same = config.replace(http__port=1, engine__n_slots=9, context__shift=False)
    assert fingerprint(same, "b1") == fingerprint(config, "b1")
    with open(model, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x" if model.read_bytes()[-1:] != b"x" else b"y")
    assert fingerprint(config, "b1") not in prints


def test_without_the_option_there_is_no_folder(tmp_path: Path) -> None:
    config = ServerConfig().replace(model__path=str(tmp_path / "none"))
    assert slot_folder(config, "b1") is None
    with pytest.raises(LoadFailedError, match="cannot read"):
        slot_folder(config.replace(context__slot_save_path=str(tmp_path)), "b1")
