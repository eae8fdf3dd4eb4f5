"""Small servers on the demo model that draft whatever it costs, and where drafts come from."""

from __future__ import annotations

from contextlib import AbstractContextManager

from api_harness import LiveServer
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from llamabox.option_parser import parse
from real_core import serving

DRAFT = str(ROOT / "tests" / "models" / "draft.gguf")
WITH_MODEL = ("-md", DRAFT, "--draft-p-min", "0", "--draft-max", "4")
LOOKUP = ("--lookup-ngram-min", "2", "--draft-max", "6")
BOTH = (*WITH_MODEL, "--lookup-ngram-min", "2")


def drafting(*words: str, **targets: object) -> AbstractContextManager[LiveServer]:
    """A server of these words of a command line, and of settings that none of them names."""
    base = ("-m", str(DEMO_MODEL), "-c", "2048", "-np", "4", "-t", "1", "--poll", "0")
    return serving(parse([*base, *words]).config.replace(draft__adapt=False, **targets))
