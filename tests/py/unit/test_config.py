"""The settings survive the way to the worker and are changed only by name."""

import dataclasses
import json

import pytest

from llamabox.config import HttpConfig, ServerConfig, from_json, to_json


def test_json_gives_equal_settings_back() -> None:
    config = ServerConfig().with_values(
        {
            "http.host": "/run/é.sock",
            "http.sse_ping_interval_s": None,
            "model.path": "/models/\udcff.gguf",
            "engine.n_ctx": None,
            "sampling.temperature": 0.1,
            "process.stop_signals": (10,),
            "adapters.loras": (("a.gguf", 0.5),),
            "placement.override_tensor": ((("a", "CPU"), ("b", "CPU")),),
            "placement.override_kv": (("llama.x", True), ("llama.y", 1)),
        }
    )
    line = to_json(config)
    assert line.isascii()
    assert "\n" not in line
    assert from_json(line) == config


def test_json_of_another_program_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown group of settings: extra"):
        from_json(json.dumps({"extra": {}}))
    with pytest.raises(TypeError):
        from_json(json.dumps({"http": {"hots": "x"}}))


def test_changes_leave_the_rest_and_the_original_alone() -> None:
    config = ServerConfig()
    changed = config.replace(http__port=1, engine__n_slots=2)
    assert (changed.http.port, changed.engine.n_slots) == (1, 2)
    assert changed.replace(http__port=8080, engine__n_slots=4) == config
    assert config.get("http.port") == 8080


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ServerConfig().http.port = 1  # type: ignore[misc]


def test_unix_path_is_a_host_that_ends_in_sock() -> None:
    assert HttpConfig(host="/run/a.sock").unix_path == "/run/a.sock"
    assert HttpConfig(host="sock.example").unix_path is None
