"""The command around the facts: how the core is asked, what is printed, exit codes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from llamabox import cli, doctor
from llamabox.diagnosis import Facts, Probe, findings
from llamabox.doctor import as_text, ask_core
from llamabox.hardware import KINDS, Accelerator, Hardware
from unit.test_diagnosis import FACTS

_BUILD = {"llama_cpp_build": "b1", "ggml_version": "0.1", "backends": "loadable"}
_DEVICE = {
    "name": "CPU",
    "description": "A CPU",
    "memory_total_bytes": 16 << 30,
    "memory_free_bytes": 8 << 30,
    "is_gpu": False,
}
_PLUGIN = {"state": "loaded", "backend": "cuda", "facts": {"package": "llamabox-x", "version": "1"}}
_FACTS = replace(
    FACTS,
    hardware=Hardware(
        (Accelerator(KINDS[0], 1, ("/dev/nvidia0",), ("/dev/nvidia0",), "/lib/libcuda.so.1", 580),),
        "/lib/libvulkan.so.1",
        {"CUDA_VISIBLE_DEVICES": "0"},
    ),
    probe=Probe(_BUILD, [_PLUGIN], [_DEVICE]),
)


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_the_core_prints_is_read_after_what_a_driver_prints() -> None:
    said = json.dumps({"build": _BUILD, "plugins": [_PLUGIN], "devices": [_DEVICE]})
    probe, failure = ask_core(_python(f"print('a driver'); print({said!r})"))
    assert failure is None
    assert probe == Probe(_BUILD, [_PLUGIN], [_DEVICE])


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise ImportError('no _core')", "it ended with code 1: ImportError: no _core"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "it was ended by signal 9: no error was written",
        ),
    ],
)
def test_a_core_that_ends_is_no_end_of_the_doctor(code: str, failure: str) -> None:
    assert ask_core(_python(code)) == (None, failure)


def test_every_fact_has_a_line() -> None:
    assert as_text(_FACTS, findings(_FACTS)).splitlines() == [
        "llama-box  1.0, llama.cpp b1, ggml 0.1, backends loadable",
        "python     3.12, Linux",
        "processor  A CPU (x86_64), the base package's code for haswell",
        "memory     8.0 GiB available of 16.0 GiB",
        "limits     8 CPUs, 65536 open files, any locked memory, any number of threads",
        "devices    CPU: A CPU (16384 MiB, 8192 MiB free)",
        "hardware   1 NVIDIA GPU (/dev/nvidia0), driver 580",
        "drivers    /lib/libcuda.so.1",
        "vulkan     /lib/libvulkan.so.1",
        "packages   llamabox-x 1: loaded",
        "settings   CUDA_VISIBLE_DEVICES=0",
        "",
        "nothing is broken",
    ]


def _run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], facts: Facts, *words: str
) -> tuple[int, str]:
    monkeypatch.setattr(doctor, "examine", lambda: facts)
    code = cli.main(["doctor", *words])
    return code, capsys.readouterr().out


def test_the_exit_code_says_whether_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, capsys, _FACTS) == (0, as_text(_FACTS, []))
    code, text = _run(monkeypatch, capsys, replace(_FACTS, probe=None, failure="gone"))
    assert code == 1
    assert "\nbroken     the compute core cannot be asked for its devices: gone\n" in text
    assert "nothing is broken" not in text


def test_json_holds_the_facts_and_the_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = replace(_FACTS, limits=replace(_FACTS.limits, open_files=256))
    code, text = _run(monkeypatch, capsys, facts, "--json")
    said = json.loads(text)
    assert code == 0
    assert said["probe"]["devices"] == [_DEVICE]
    assert said["processor"]["variant"] == "haswell"
    assert said["limits"]["open_files"] == 256
    assert said["hardware"]["accelerators"][0]["kind"]["name"] == "NVIDIA GPU"
    assert said["hardware"]["settings"] == {"CUDA_VISIBLE_DEVICES": "0"}
    assert [finding["level"] for finding in said["findings"]] == ["advice"]


def test_other_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--jsn"]) == 1
    assert capsys.readouterr().err == doctor.USAGE
