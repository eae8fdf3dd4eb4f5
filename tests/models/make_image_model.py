"""Makes a whole tiny image model: python tests/models/make_image_model.py FOLDER

The smallest family that stable-diffusion.cpp takes: an Ovis-type diffusion transformer with one
block of each kind, a Qwen3-type text encoder of one layer, and a tiny autoencoder. UNets, CLIP and
VAEs have fixed sizes there and weigh hundreds of megabytes. The transformer and the encoder have
random weights, so that a picture is coloured noise that hangs on prompt and seed; the autoencoder's
are written by hand: decoding an encoded picture gives its 8x8 pixelation, so that colours can be
asserted. With it: a LoRA for the last layer, and an upscaler that doubles each pixel.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

HIDDEN = 128
HEAD = 128
CONTEXT = 32
VOCABULARY = 151936
Q_HEADS, KV_HEADS = 32, 8
LATENT_CHANNELS = 16
TAE_CHANNELS = 64
UPSCALER_CHANNELS = 64
UPSCALE = 2
FILES = {
    "model": "dit.gguf",
    "llm": "llm.gguf",
    "taesd": "tae.gguf",
    "lora": "lora.safetensors",
    "upscaler": "upscaler.gguf",
}

_random = np.random.default_rng(7)


def random(*shape: int, scale: float = 0.05) -> Array:
    return (_random.standard_normal(shape) * scale).astype(np.float32)


def linear(name: str, n_out: int, n_in: int, scale: float = 0.05) -> dict[str, Array]:
    return {
        f"{name}.weight": random(n_out, n_in, scale=scale),
        f"{name}.bias": random(n_out, scale=scale),
    }


def transformer() -> dict[str, Array]:
    """Names as in the files that are published, without a prefix."""
    h = HIDDEN
    norms = {"query_norm.scale": np.ones(HEAD), "key_norm.scale": np.ones(HEAD)}
    tensors = {
        **linear("img_in", h, 4 * LATENT_CHANNELS),
        **linear("txt_in", h, CONTEXT, 0.3),
        **linear("time_in.in_layer", h, 256),
        **linear("time_in.out_layer", h, h),
        "txt_norm.scale": np.ones(CONTEXT),
        **linear("final_layer.linear", 4 * LATENT_CHANNELS, h, 0.2),
        **linear("final_layer.adaLN_modulation.1", 2 * h, h),
    }
    for kind in ("img", "txt"):
        at = f"double_blocks.0.{kind}"
        tensors |= linear(f"{at}_mod.lin", 6 * h, h, 0.2)
        tensors |= linear(f"{at}_attn.qkv", 3 * h, h)
        tensors |= linear(f"{at}_attn.proj", h, h, 0.2)
        tensors |= {f"{at}_attn.norm.{name}": values for name, values in norms.items()}
        tensors |= linear(f"{at}_mlp.gate_proj", 4 * h, h)
        tensors |= linear(f"{at}_mlp.up_proj", 4 * h, h)
        tensors |= linear(f"{at}_mlp.down_proj", h, 4 * h)
    at = "single_blocks.0"
    tensors |= linear(f"{at}.linear1", 3 * h + 8 * h, h)
    tensors |= linear(f"{at}.linear2", h, h + 4 * h, 0.2)
    tensors |= linear(f"{at}.modulation.lin", 3 * h, h, 0.2)
    tensors |= {f"{at}.norm.{name}": values for name, values in norms.items()}
    return tensors


def text_encoder() -> dict[str, Array]:
    """The number of heads and the vocabulary are fixed upstream."""
    c, at = CONTEXT, "model.layers.0"
    return {
        "model.embed_tokens.weight": random(VOCABULARY, c, scale=1.0),
        "model.norm.weight": np.ones(c),
        f"{at}.input_layernorm.weight": np.ones(c),
        f"{at}.post_attention_layernorm.weight": np.ones(c),
        f"{at}.self_attn.q_proj.weight": random(Q_HEADS * HEAD, c),
        f"{at}.self_attn.k_proj.weight": random(KV_HEADS * HEAD, c),
        f"{at}.self_attn.v_proj.weight": random(KV_HEADS * HEAD, c),
        f"{at}.self_attn.o_proj.weight": random(c, Q_HEADS * HEAD),
        f"{at}.self_attn.q_norm.weight": np.ones(HEAD),
        f"{at}.self_attn.k_norm.weight": np.ones(HEAD),
        f"{at}.mlp.gate_proj.weight": random(2 * c, c),
        f"{at}.mlp.up_proj.weight": random(2 * c, c),
        f"{at}.mlp.down_proj.weight": random(c, 2 * c),
    }


def convolution(
    name: str, n_out: int, n_in: int, taps: Array | None = None, bias: bool = True
) -> dict[str, Array]:
    """A 3x3 kernel that applies ``taps`` [n_out, n_in] at its centre; none is all zeros."""
    kernel = np.zeros((n_out, n_in, 3, 3), np.float32)
    if taps is not None:
        kernel[:, :, 1, 1] = taps
    found = {f"{name}.weight": kernel}
    if bias:
        found[f"{name}.bias"] = np.zeros(n_out, np.float32)
    return found


def _pass(n_out: int, n_in: int, n_channels: int = 3) -> Array:
    """Taps that hand the first channels on."""
    taps = np.zeros((n_out, n_in), np.float32)
    taps[range(n_channels), range(n_channels)] = 1
    return taps


def _blocks(prefix: str, numbers: range) -> dict[str, Array]:
    """Residual blocks that add nothing."""
    c = TAE_CHANNELS
    found: dict[str, Array] = {}
    for number in numbers:
        for part in (0, 2, 4):
            found |= convolution(f"{prefix}.{number}.conv.{part}", c, c)
    return found


def autoencoder() -> dict[str, Array]:
    """Each latent channel but the last holds one colour from -1 to 1 of a square of 8x8 pixels."""
    c, z = TAE_CHANNELS, LATENT_CHANNELS
    encoder, decoder = "encoder.layers", "decoder.layers"
    tensors = convolution(f"{encoder}.0", c, 3, _pass(c, 3))
    for at, blocks in ((2, range(3, 6)), (6, range(7, 10)), (10, range(11, 14))):
        halved = convolution(f"{encoder}.{at}", c, c, bias=False)
        for channel in range(3):
            halved[f"{encoder}.{at}.weight"][channel, channel, 1:, 1:] = 0.25
        tensors |= halved | _blocks(encoder, blocks)
    tensors |= _blocks(encoder, range(1, 2))
    spread, joined = np.zeros((z, c), np.float32), np.zeros((c, z), np.float32)
    for channel in range(z - 1):
        spread[channel, channel % 3] = 2
        # The decoder squeezes latents by 3 tanh(z / 3) first.
        joined[channel % 3, channel] = 0.5 / 5 / (3 * np.tanh(1 / 3))
    tensors |= convolution(f"{encoder}.14", z, c, spread)
    tensors[f"{encoder}.14.bias"][: z - 1] = -1
    tensors |= convolution(f"{decoder}.0", c, z, joined)
    tensors[f"{decoder}.0.bias"][:3] = 0.5
    for at, blocks in ((6, range(2, 5)), (11, range(7, 10)), (16, range(12, 15))):
        tensors |= convolution(f"{decoder}.{at}", c, c, _pass(c, c), bias=False)
        tensors |= _blocks(decoder, blocks)
    tensors |= _blocks(decoder, range(17, 18))
    tensors |= convolution(f"{decoder}.18", 3, c, _pass(3, c))
    return tensors


def upscaler() -> dict[str, Array]:
    """An ESRGAN without blocks that repeats each pixel."""
    c = UPSCALER_CHANNELS
    return {
        **convolution("conv_first", c, 3, _pass(c, 3)),
        **convolution("conv_body", c, c),
        **convolution("conv_up1", c, c, _pass(c, c)),
        **convolution("conv_hr", c, c, _pass(c, c)),
        **convolution("conv_last", 3, c, _pass(3, c)),
    }


def lora() -> dict[str, Array]:
    """Changes what comes out of the transformer."""
    at, rank = "diffusion_model.final_layer.linear", 4
    return {
        f"{at}.lora_A.weight": random(rank, HIDDEN, scale=0.5),
        f"{at}.lora_B.weight": random(4 * LATENT_CHANNELS, rank, scale=0.5),
    }


def write_gguf(path: Path, tensors: dict[str, Array]) -> None:
    writer = gguf.GGUFWriter(path, "image")
    for name, values in tensors.items():
        kind = np.float16 if values.ndim > 1 else np.float32
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
    """Write all files; about 20 MB in a second. Returns their paths by their part."""
    paths = {part: folder / name for part, name in FILES.items()}
    write_gguf(paths["model"], transformer())
    write_gguf(paths["llm"], text_encoder())
    write_gguf(paths["taesd"], autoencoder())
    write_gguf(paths["upscaler"], upscaler())
    write_safetensors(paths["lora"], lora())
    return paths


if __name__ == "__main__":
    for made in make_image_model(Path(sys.argv[1])).values():
        print(made, made.stat().st_size)
