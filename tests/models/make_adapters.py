#!/usr/bin/env python3
"""Makes the small adapters of the tests for the demo model: random, and strong enough to be heard.

    python tests/models/make_adapters.py [--model demo.gguf] [--to tests/models]

lora-a, lora-b   rank 2, in the attention output and the feed-forward sum of every layer
control          a direction for each layer from 1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFWriter

ROOT = Path(__file__).resolve().parent.parent.parent
RANK, STRENGTH = 2, 0.4
TENSORS = ("attn_output", "ffn_down")


def shapes_of(reader: GGUFReader) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each matrix that the adapters change."""
    return {
        t.name: (int(t.shape[0]), int(t.shape[1]))
        for t in reader.tensors
        if t.name.split(".")[-2] in TENSORS
    }


def write_lora(path: Path, reader: GGUFReader, seed: int) -> None:
    rng = np.random.default_rng(seed)
    writer = GGUFWriter(path, str(reader.fields["general.architecture"].contents()))
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(RANK))
    for name, (n_in, n_out) in shapes_of(reader).items():
        halves = {"a": (RANK, n_in), "b": (n_out, RANK)}
        for half, shape in halves.items():
            data = (rng.standard_normal(shape) * STRENGTH).astype(np.float16)
            writer.add_tensor(f"{name}.lora_{half}", data)
    finish(writer)


def write_control(path: Path, reader: GGUFReader, seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = int(reader.fields["llama.embedding_length"].contents())
    n_layers = int(reader.fields["llama.block_count"].contents())
    writer = GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", n_layers - 1)
    for layer in range(1, n_layers):
        writer.add_tensor(f"direction.{layer}", rng.standard_normal(width).astype(np.float32))
    finish(writer)


def finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models")
    options = parser.parse_args()
    reader = GGUFReader(options.model)
    write_lora(options.to / "lora-a.gguf", reader, 1)
    write_lora(options.to / "lora-b.gguf", reader, 2)
    write_control(options.to / "control.gguf", reader, 3)


if __name__ == "__main__":
    main()
