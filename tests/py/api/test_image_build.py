"""What a build without stable-diffusion.cpp says to --images."""

from __future__ import annotations

import pytest

from llamabox.errors import UnsupportedError
from llamabox.option_parser import parse
from real_core import provide_core


def test_a_build_without_images_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_core()
    from llamabox import _core
    from llamabox.image_loader import load_image_engine

    monkeypatch.setattr(_core, "has_images", lambda: False)
    with pytest.raises(UnsupportedError, match="--images: this build makes no images"):
        load_image_engine(parse(["--images", "-m", "m.gguf"]).config)
