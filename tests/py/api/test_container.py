"""An image made of wheels answers, where there is something that makes images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import try_image

_TOOL = Path(try_image.__file__)


@pytest.mark.full
@pytest.mark.container_engine
def test_an_image_of_the_base_package_answers() -> None:
    done = subprocess.run(
        [sys.executable, _TOOL], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "user 10001: " in done.stdout


def test_an_image_is_built_and_started_as_the_page_says() -> None:
    build = try_image.build_command("docker", "3.12", "vulkan", "libvulkan1")
    assert build[:2] == ["docker", "build"] and build[-1] == "."
    assert {"EXTRA=vulkan", "SYSTEM=libvulkan1", "PYTHON=3.12"} < set(build)
    page = (_TOOL.parents[1] / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert {name for name in ("EXTRA", "SYSTEM", "PYTHON") if f"\nARG {name}=" in page} == {
        word.partition("=")[0] for word in build if "=" in word
    }
    run = try_image.run_command("docker", 8000)
    assert "--read-only" in run and run[-1] == try_image.NAME
    assert "127.0.0.1:8000:8080" in run and "\nEXPOSE 8080" in page
