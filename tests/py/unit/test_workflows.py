"""The release workflow has a job for every line of docs/backends.md; tools/check lints it."""

from __future__ import annotations

import re
from pathlib import Path

from plugin_packages import BY_EXTRA
from unit.backend_table import rows

_WORKFLOW = Path(__file__).parents[3] / ".github" / "workflows" / "wheels.yml"
_JOB = re.compile(r"^ +- \{(?:extra: ([\w-]+), )?platform: (\w+/\w+),", re.MULTILINE)


def test_every_package_of_every_line_is_built() -> None:
    jobs = set(_JOB.findall(_WORKFLOW.read_text(encoding="utf-8")))
    wanted = {
        (package.removeprefix("llamabox").removeprefix("-"), row.platform)
        for row in rows()
        for package in row.packages
    }
    assert wanted <= jobs
    # CUDA 13 is more than the specification asks for.
    more = {"cuda13": {"linux/amd64", "linux/arm64", "windows/amd64"}}
    assert jobs - wanted == {(extra, platform) for extra in more for platform in more[extra]}


def test_every_extra_has_a_job() -> None:
    assert {extra for extra, _ in _JOB.findall(_WORKFLOW.read_text())} == {"", *BY_EXTRA}
