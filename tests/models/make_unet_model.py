"""Makes whole models of the family SD1: python tests/models/make_unet_model.py FOLDER

A checkpoint, one for inpainting, and a ControlNet, in their fixed sizes; random weights, about 4 GB
of files. What they make means nothing: they are for the paths that no small model can take (UNet,
CLIP, VAE, ControlNet). Matrices are Q8_0 and convolutions F16, as upstream computes them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

Shape = tuple[int, ...]
Tensors = Iterator[tuple[str, Shape]]

CHANNELS = 320
LEVELS = (1, 2, 4, 4)
EMBEDDING = 4 * CHANNELS
CONTEXT = 768
VAE_LEVELS = (128, 256, 512, 512)
LATENT = 4
# What the UNet of an inpainting model sees beside the latents: the mask and the masked picture.
INPAINT_EXTRA = 5
FILES = {"sd1": "sd1.gguf", "inpaint": "sd1-inpaint.gguf", "control": "control.gguf"}
_BLOCK = 32

_random = np.random.default_rng(11)
_NORMAL = _random.standard_normal(1 << 20).astype(np.float16)
_BYTES = np.clip(_random.standard_normal(1 << 20) * 40, -127, 127).astype(np.int8)


def conv(name: str, n_out: int, n_in: int, size: int = 3) -> Tensors:
    yield f"{name}.weight", (n_out, n_in, size, size)
    yield f"{name}.bias", (n_out,)


def linear(name: str, n_out: int, n_in: int, bias: bool = True) -> Tensors:
    yield f"{name}.weight", (n_out, n_in)
    if bias:
        yield f"{name}.bias", (n_out,)


def norm(name: str, n: int) -> Tensors:
    yield f"{name}.weight", (n,)
    yield f"{name}.bias", (n,)


def unet_block(at: str, n_in: int, n_out: int) -> Tensors:
    yield from norm(f"{at}.in_layers.0", n_in)
    yield from conv(f"{at}.in_layers.2", n_out, n_in)
    yield from linear(f"{at}.emb_layers.1", n_out, EMBEDDING)
    yield from norm(f"{at}.out_layers.0", n_out)
    yield from conv(f"{at}.out_layers.3", n_out, n_out)
    if n_in != n_out:
        yield from conv(f"{at}.skip_connection", n_out, n_in, 1)


def unet_transformer(at: str, n: int) -> Tensors:
    inner = f"{at}.transformer_blocks.0"
    yield from norm(f"{at}.norm", n)
    yield from conv(f"{at}.proj_in", n, n, 1)
    for number, context in ((1, n), (2, CONTEXT)):
        attention = f"{inner}.attn{number}"
        yield from linear(f"{attention}.to_q", n, n, bias=False)
        yield from linear(f"{attention}.to_k", n, context, bias=False)
        yield from linear(f"{attention}.to_v", n, context, bias=False)
        yield from linear(f"{attention}.to_out.0", n, n)
    yield from linear(f"{inner}.ff.net.0.proj", 8 * n, n)
    yield from linear(f"{inner}.ff.net.2", n, 4 * n)
    for number in (1, 2, 3):
        yield from norm(f"{inner}.norm{number}", n)
    yield from conv(f"{at}.proj_out", n, n, 1)


def unet_entry(root: str, n_in: int) -> tuple[list[tuple[str, Shape]], list[int]]:
    """The half that a ControlNet has too, and the channels that each of its blocks gives."""
    found = [*linear(f"{root}.time_embed.0", EMBEDDING, CHANNELS)]
    found += linear(f"{root}.time_embed.2", EMBEDDING, EMBEDDING)
    found += conv(f"{root}.input_blocks.0.0", CHANNELS, n_in)
    given, n, at = [CHANNELS], CHANNELS, 1
    for level, factor in enumerate(LEVELS):
        for _ in range(2):
            found += unet_block(f"{root}.input_blocks.{at}.0", n, factor * CHANNELS)
            n = factor * CHANNELS
            if level < len(LEVELS) - 1:
                found += unet_transformer(f"{root}.input_blocks.{at}.1", n)
            given.append(n)
            at += 1
        if level < len(LEVELS) - 1:
            found += conv(f"{root}.input_blocks.{at}.0.op", n, n)
            given.append(n)
            at += 1
    found += unet_block(f"{root}.middle_block.0", n, n)
    found += unet_transformer(f"{root}.middle_block.1", n)
    found += unet_block(f"{root}.middle_block.2", n, n)
    return found, given


def unet(n_in: int) -> Tensors:
    root = "model.diffusion_model"
    found, given = unet_entry(root, n_in)
    yield from found
    n, at = LEVELS[-1] * CHANNELS, 0
    for level, factor in reversed(list(enumerate(LEVELS))):
        for number in range(3):
            block = f"{root}.output_blocks.{at}"
            yield from unet_block(f"{block}.0", n + given.pop(), factor * CHANNELS)
            n = factor * CHANNELS
            has_attention = level < len(LEVELS) - 1
            if has_attention:
                yield from unet_transformer(f"{block}.1", n)
            if level and number == 2:
                yield from conv(f"{block}.{2 if has_attention else 1}.conv", n, n)
            at += 1
    yield from norm(f"{root}.out.0", CHANNELS)
    yield from conv(f"{root}.out.2", LATENT, CHANNELS)


def text_encoder() -> Tensors:
    root, n = "cond_stage_model.transformer.text_model", CONTEXT
    yield f"{root}.embeddings.token_embedding.weight", (49408, n)
    yield f"{root}.embeddings.position_embedding.weight", (77, n)
    for layer in range(12):
        at = f"{root}.encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from linear(f"{at}.self_attn.{name}", n, n)
        yield from norm(f"{at}.layer_norm1", n)
        yield from norm(f"{at}.layer_norm2", n)
        yield from linear(f"{at}.mlp.fc1", 4 * n, n)
        yield from linear(f"{at}.mlp.fc2", n, 4 * n)
    yield from norm(f"{root}.final_layer_norm", n)


def vae_block(at: str, n_in: int, n_out: int) -> Tensors:
    yield from norm(f"{at}.norm1", n_in)
    yield from conv(f"{at}.conv1", n_out, n_in)
    yield from norm(f"{at}.norm2", n_out)
    yield from conv(f"{at}.conv2", n_out, n_out)
    if n_in != n_out:
        yield from conv(f"{at}.nin_shortcut", n_out, n_in, 1)


def vae_middle(root: str, n: int) -> Tensors:
    yield from vae_block(f"{root}.mid.block_1", n, n)
    yield from norm(f"{root}.mid.attn_1.norm", n)
    for name in ("q", "k", "v", "proj_out"):
        yield from conv(f"{root}.mid.attn_1.{name}", n, n, 1)
    yield from vae_block(f"{root}.mid.block_2", n, n)


def autoencoder() -> Tensors:
    root, most = "first_stage_model", VAE_LEVELS[-1]
    encoder, decoder = f"{root}.encoder", f"{root}.decoder"
    yield from conv(f"{encoder}.conv_in", VAE_LEVELS[0], 3)
    n = VAE_LEVELS[0]
    for level, n_out in enumerate(VAE_LEVELS):
        for number in range(2):
            yield from vae_block(f"{encoder}.down.{level}.block.{number}", n, n_out)
            n = n_out
        if level < len(VAE_LEVELS) - 1:
            yield from conv(f"{encoder}.down.{level}.downsample.conv", n, n)
    yield from vae_middle(encoder, most)
    yield from norm(f"{encoder}.norm_out", most)
    yield from conv(f"{encoder}.conv_out", 2 * LATENT, most)
    yield from conv(f"{root}.quant_conv", 2 * LATENT, 2 * LATENT, 1)
    yield from conv(f"{root}.post_quant_conv", LATENT, LATENT, 1)
    yield from conv(f"{decoder}.conv_in", most, LATENT)
    yield from vae_middle(decoder, most)
    for level, n_out in reversed(list(enumerate(VAE_LEVELS))):
        for number in range(3):
            yield from vae_block(f"{decoder}.up.{level}.block.{number}", n, n_out)
            n = n_out
        if level:
            yield from conv(f"{decoder}.up.{level}.upsample.conv", n, n)
    yield from norm(f"{decoder}.norm_out", n)
    yield from conv(f"{decoder}.conv_out", 3, n)


def control_net() -> Tensors:
    root = "control_model"
    found, given = unet_entry(root, LATENT)
    yield from found
    sizes = (3, 16, 16, 32, 32, 96, 96, 256, CHANNELS)
    for at, (n_in, n_out) in enumerate(pairwise(sizes)):
        yield from conv(f"{root}.input_hint_block.{2 * at}", n_out, n_in)
    for at, n in enumerate(given):
        yield from conv(f"{root}.zero_convs.{at}.0", n, n, 1)
    yield from conv(f"{root}.middle_block_out.0", given[-1], given[-1], 1)


def write(path: Path, tensors: Tensors) -> None:
    """Weights such that activations keep their size."""
    writer = gguf.GGUFWriter(path, "image", use_temp_file=False)
    for name, shape in tensors:
        count = int(np.prod(shape))
        if len(shape) == 1:
            is_scale = name.endswith(".weight")
            writer.add_tensor(name, np.full(shape, 1.0 if is_scale else 0.0, np.float32))
        elif len(shape) == 2 and shape[1] % _BLOCK == 0:
            writer.add_tensor(name, _quantized(shape), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            scale = np.float16((count / shape[0]) ** -0.5)
            writer.add_tensor(name, (np.resize(_NORMAL, count) * scale).reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _quantized(shape: Shape) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Rows of blocks: a scale and 32 small numbers."""
    n_blocks = shape[0] * shape[1] // _BLOCK
    blocks = np.empty((n_blocks, 2 + _BLOCK), np.uint8)
    blocks[:, :2] = np.frombuffer(np.float16(shape[1] ** -0.5 / 40).tobytes(), np.uint8)
    blocks[:, 2:] = np.resize(_BYTES, n_blocks * _BLOCK).reshape(-1, _BLOCK).view(np.uint8)
    return blocks.reshape(shape[0], -1)


def make_unet_model(folder: Path, parts: Iterable[str] = FILES) -> dict[str, Path]:
    """Write the files of these parts; some seconds each. Returns their paths."""
    rest = [*text_encoder(), *autoencoder()]
    makers = {
        "sd1": lambda: [*unet(LATENT), *rest],
        "inpaint": lambda: [*unet(LATENT + INPAINT_EXTRA), *rest],
        "control": control_net,
    }
    paths = {part: folder / FILES[part] for part in parts}
    for part, path in paths.items():
        write(path, iter(makers[part]()))
    return paths


if __name__ == "__main__":
    for made in make_unet_model(Path(sys.argv[1])).values():
        print(made, made.stat().st_size)
