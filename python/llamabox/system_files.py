"""Files of the system that may be missing: what proc, sys and dev say in ASCII.

Covered by tests/py/unit/test_machine.py and test_hardware.py.
"""

from __future__ import annotations

from pathlib import Path


def text_of(path: Path) -> str:
    """All of it; empty where there is no such file or it may not be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
