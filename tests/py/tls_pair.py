"""Certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_pair(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> tuple[str, str]:
    """The files of a self-signed certificate for ``names`` and of its key."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
    words = [*kind.split(), "-nodes", "-addext", f"subjectAltName={names}"]
    subprocess.run(
        ["openssl", *words, "-keyout", key, "-out", cert], check=True, capture_output=True
    )
    return cert, key
