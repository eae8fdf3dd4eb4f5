"""Writes the wheel of a backend's package around a library that was built already; says what a
wheel holds that it should not.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
from pathlib import Path

from plugin_packages import Package

ROOT = Path(__file__).resolve().parent.parent


def own_version() -> str:
    """The version in pyproject.toml, which all packages share."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def write_plugin_wheel(
    package: Package, library: Path, ggml_source: str, platform: str, out: Path
) -> Path:
    """Write ``llamabox_X-VERSION-py3-none-PLATFORM.whl`` into ``out`` and return its path.

    ``ggml_source`` is what the base package's ``build_info`` must say too.
    """
    version = own_version()
    dist_info = f"{package.module}-{version}.dist-info"
    files = {
        f"{package.module}/{library.name}": library.read_bytes(),
        f"{package.module}/backend.json": _description(package, library.name, ggml_source),
        f"{dist_info}/METADATA": _metadata(package, version),
        f"{dist_info}/WHEEL": _wheel(platform),
        f"{dist_info}/entry_points.txt": (
            f"[llamabox.backends]\n{package.extra} = {package.module}\n".encode()
        ),
        f"{dist_info}/licenses/LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{dist_info}/RECORD"] = f"{record}{dist_info}/RECORD,,\n".encode()
    wheel = out / f"{package.module}-{version}-py3-none-{platform}.whl"
    out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            # A fixed time, so that the same bytes give the same file.
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return wheel


def strange_files(wheel: Path) -> list[str]:
    """Files of a wheel that lie beside the folder of its package, as headers of upstream would."""
    package = wheel.name.split("-")[0]
    own = re.compile(rf"{package}(\.libs|-[^/]+\.dist-info)?/")
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if own.match(name) is None]


def _description(package: Package, library: str, ggml_source: str) -> bytes:
    described = {
        "backend": package.backend,
        "ggml_source": ggml_source,
        "library": library,
        "needs": package.needs,
    }
    return (json.dumps(described, indent=2) + "\n").encode()


def _metadata(package: Package, version: str) -> bytes:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {package.name}",
        f"Version: {version}",
        f"Summary: ggml's {package.backend} backend for llamabox",
        "License-Expression: MIT",
        "License-File: LICENSE",
        "Requires-Python: >=3.11",
        f"Requires-Dist: llamabox=={version}",
        *(f"Requires-Dist: {requirement}" for requirement in package.requires),
        "",
        f"Installed by `pip install llamabox[{package.extra}]`. Needs {package.needs}.",
        "",
    ]
    return "\n".join(lines).encode()


def _wheel(platform: str) -> bytes:
    lines = [
        "Wheel-Version: 1.0",
        "Generator: llamabox",
        "Root-Is-Purelib: false",
        f"Tag: py3-none-{platform}",
        "",
    ]
    return "\n".join(lines).encode()


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
