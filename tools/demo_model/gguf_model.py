"""A GGUF model as two dictionaries: read it, change it, write it under another architecture.

Used by tests/models/make_variants.py and bench/make_models.py; needs gguf and numpy only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Metadata which the reader makes up or the writer adds by itself.
_OWN_KEYS = ("GGUF.", "general.architecture", "general.alignment", "general.file_type")

FILE_TYPES = {"F16": gguf.LlamaFileType.MOSTLY_F16, "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}


@dataclass(slots=True)
class GgufModel:
    """`keys` holds (value, type, element type) by name, `tensors` arrays in F32."""

    arch: str
    keys: dict[str, tuple[Any, gguf.GGUFValueType, gguf.GGUFValueType | None]]
    tensors: dict[str, Array]

    def number(self, key: str) -> int:
        """A whole number of the architecture's own keys, such as `block_count`."""
        return int(self.keys[f"{self.arch}.{key}"][0])

    def set_uint(self, key: str, value: int) -> None:
        self.keys[f"{self.arch}.{key}"] = (int(value), gguf.GGUFValueType.UINT32, None)

    def set_float(self, key: str, value: float) -> None:
        self.keys[f"{self.arch}.{key}"] = (float(value), gguf.GGUFValueType.FLOAT32, None)

    def set_array(self, key: str, values: list[Any], kind: gguf.GGUFValueType) -> None:
        self.keys[f"{self.arch}.{key}"] = (values, gguf.GGUFValueType.ARRAY, kind)

    def set_name(self, name: str) -> None:
        self.keys["general.name"] = (name, gguf.GGUFValueType.STRING, None)

    def drop(self, *names: str) -> None:
        for name in names:
            self.keys.pop(f"{self.arch}.{name}", None)

    def rename_arch(self, arch: str) -> None:
        """Moves the architecture's own keys to another architecture's names."""
        old = self.arch + "."
        self.keys = {
            (arch + "." + k.removeprefix(old) if k.startswith(old) else k): v
            for k, v in self.keys.items()
        }
        self.arch = arch


def read_model(path: Path) -> GgufModel:
    reader = gguf.GGUFReader(path)
    keys = {}
    for name, item in reader.fields.items():
        if not name.startswith(_OWN_KEYS):
            inner = item.types[-1] if item.types[0] == gguf.GGUFValueType.ARRAY else None
            keys[name] = (item.contents(), item.types[0], inner)
    arch = reader.fields["general.architecture"].contents()
    # A copy, since the reader's arrays are views of a file that may be replaced.
    tensors = {t.name: np.array(t.data, dtype=np.float32) for t in reader.tensors}
    return GgufModel(arch, keys, tensors)


def stays_f32(name: str, data: Array) -> bool:
    """Vectors stay in F32, and so do the small matrices which are not multiplied as such."""
    small = ("norm", "ssm_a", "ssm_d", "ssm_conv1d")
    return data.ndim < 2 or any(part in name for part in small)


def write_model(
    model: GgufModel,
    path: Path,
    file_type: str = "F16",
    keeps_f32: Callable[[str, Array], bool] = stays_f32,
) -> None:
    """Writes matrices as `file_type` (F16 or Q8_0); rows which do not fit Q8_0 become F16."""
    writer = gguf.GGUFWriter(path, model.arch)
    writer.add_file_type(FILE_TYPES[file_type])
    for name, (value, kind, inner) in model.keys.items():
        writer.add_key_value(name, value, kind, inner)
    for name, data in model.tensors.items():
        if keeps_f32(name, data):
            writer.add_tensor(name, data.astype(np.float32))
        elif file_type == "Q8_0" and data.shape[-1] % 32 == 0:
            q8_0 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(data, q8_0), raw_dtype=q8_0)
        else:
            writer.add_tensor(name, data.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_matrix(rng: np.random.Generator, *shape: int, std: float = 0.0) -> Array:
    """Normal numbers; without `std` their size keeps the width of what they multiply."""
    return rng.normal(0.0, std or shape[-1] ** -0.5, shape).astype(np.float32)
