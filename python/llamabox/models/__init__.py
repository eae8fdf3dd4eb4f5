"""The demo model, which llama-box serves when no `-m` is given."""

from __future__ import annotations

from pathlib import Path

DEMO_MODEL = Path(__file__).resolve().parent / "demo.gguf"
"""Where the demo model lies in the installed package; see MODEL_CARD.md beside it."""
