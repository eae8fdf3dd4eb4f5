#!/usr/bin/env python3
"""Makes a copy of a model that never ends a text by itself, so that every run is equally long.

    python bench/endless_model.py MODEL COPY

The output rows of all control tokens become zero. Their logits are then 0, which some other token
exceeds, so greedy decoding never chooses them; everything else, the work included, is as before.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from gguf import GGUFReader, TokenType


def make_endless(source: Path, copy: Path) -> None:
    """Write ``copy``. Raises ValueError when the output shares its matrix with the embedding."""
    reader = GGUFReader(source)
    output = next((tensor for tensor in reader.tensors if tensor.name == "output.weight"), None)
    if output is None:
        raise ValueError(f"{source} has no output matrix of its own")
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    row_bytes = output.n_bytes // len(types)
    shutil.copyfile(source, copy)
    with copy.open("r+b") as file:
        for token, kind in enumerate(types):
            if kind == TokenType.CONTROL:
                file.seek(output.data_offset + token * row_bytes)
                # Zero bytes are zero weights in every type of ggml that make_models.py writes.
                file.write(bytes(row_bytes))


def endless(source: Path) -> Path:
    """The endless copy of a model, in its folder; made again when the model is newer."""
    copy = source.with_name(f"{source.stem}-endless.gguf")
    if not copy.exists() or copy.stat().st_mtime < source.stat().st_mtime:
        make_endless(source, copy)
    return copy


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a model that never ends a text by itself.")
    parser.add_argument("model", type=Path)
    parser.add_argument("copy", type=Path)
    args = parser.parse_args()
    make_endless(args.model, args.copy)
    return 0


if __name__ == "__main__":
    sys.exit(main())
