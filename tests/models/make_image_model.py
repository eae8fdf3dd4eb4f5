"""Makes a whole tiny image model: python tests/models/make_image_model.py FOLDER

The smallest family that stable-diffusion.cpp takes: an Ovis-type diffusion transformer with one
block of each kind, a Qwen3-type text encoder of one layer, and a tiny autoencoder. UNets, CLIP and
VAEs have fixed sizes there and weigh hundreds of megabytes. No weight is trained
(image_weights.py): the colours that a prompt names come out, with a little noise that hangs on the
seed, and decoding an encoded picture gives its 8x8 pixelation. With it: a LoRA that exchanges red
and blue, and an upscaler that doubles each pixel.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import gguf
import numpy as np
from image_weights import Array, autoencoder, lora, text_encoder, transformer, upscaler

FILES = {
    "model": "dit.gguf",
    "llm": "llm.gguf",
    "taesd": "tae.gguf",
    "lora": "lora.safetensors",
    "upscaler": "upscaler.gguf",
}


def write_gguf(path: Path, tensors: dict[str, Array], matrices: type = np.float16) -> None:
    writer = gguf.GGUFWriter(path, "image")
    for name, values in tensors.items():
        kind = matrices if values.ndim > 1 else np.float32
        writer.add_tensor(name, np.ascontiguousarray(values.astype(kind)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_safetensors(path: Path, tensors: dict[str, Array]) -> None:
    header, at = {}, 0
    for name, values in tensors.items():
        end = at + values.nbytes
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    data = b"".join(values.tobytes() for values in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def make_image_model(folder: Path) -> dict[str, Path]:
    """Write all files; about 25 MB in a second. Returns their paths by their part."""
    paths = {part: folder / name for part, name in FILES.items()}
    write_gguf(paths["model"], transformer(), np.float32)
    write_gguf(paths["llm"], text_encoder())
    write_gguf(paths["taesd"], autoencoder())
    write_gguf(paths["upscaler"], upscaler())
    write_safetensors(paths["lora"], lora())
    return paths


if __name__ == "__main__":
    for made in make_image_model(Path(sys.argv[1])).values():
        print(made, made.stat().st_size)
