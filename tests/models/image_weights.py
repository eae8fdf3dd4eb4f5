"""The weights of the tiny image model of make_image_model.py, written by hand.

The flow's velocity is FLOW * (latents - colour): from any noise, some steps lead to the colour, and
a little of the noise stays, so that a picture hangs on prompt and seed. The colour comes by
attention: words that are colours have embeddings with their red, green and blue and a mark; keys
are made of the mark, values of the colour, and an image token finds no other key.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

HIDDEN = 128
HEAD = 128
CONTEXT = 32
PATCH = 64  # latents of an image token: 16 channels of 2x2
FLOW = 4.0
# Of the image tokens' constant half, large beside latents: the last layer's norm then hardly
# depends on them, and what it subtracts can be read off the constants and added again.
CONSTANT = 40.0
# Words with the space before them, by their token in the vocabulary of Qwen2.
COLOURS = {
    2518: (230, 30, 30),  # red
    6176: (30, 180, 40),  # green
    6303: (30, 50, 220),  # blue
    13753: (240, 220, 20),  # yellow
    18575: (250, 140, 20),  # orange
    24932: (130, 30, 180),  # purple
    3691: (0, 0, 0),  # black
    4158: (255, 255, 255),  # white
}
MARK = 4.0  # of a colour's embedding, in the dimension behind red, green and blue
VOCABULARY = 151936
Q_HEADS, KV_HEADS = 32, 8
LATENT_CHANNELS = 16
TAE_CHANNELS = 64
UPSCALER_CHANNELS = 64
UPSCALE = 2
_random = np.random.default_rng(7)


def random(*shape: int, scale: float = 0.05) -> Array:
    return (_random.standard_normal(shape) * scale).astype(np.float32)


def linear(name: str, n_out: int, n_in: int, scale: float = 0.05) -> dict[str, Array]:
    return {
        f"{name}.weight": random(n_out, n_in, scale=scale),
        f"{name}.bias": random(n_out, scale=scale),
    }


def zeros(name: str, n_out: int, n_in: int) -> dict[str, Array]:
    """A linear layer that gives nothing."""
    return {f"{name}.weight": _zeros(n_out, n_in), f"{name}.bias": _zeros(n_out)}


def _zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def colour_latents(rgb: tuple[int, int, int]) -> Array:
    """Red, green and blue as the latents have them, from -1 to 1."""
    return np.asarray(rgb, np.float32) / 127.5 - 1


# A row of the text encoder's output has this length, whatever its embedding's.
_ROW_LENGTH = float(np.sqrt(CONTEXT))
# Of every colour's embedding: what its red, green and blue lack is in a dimension of its own.
_COLOUR_LENGTH = float(np.sqrt(3 + MARK**2))
# What one unit of an embedding of a colour is in the attention's input: text tokens enter the
# transformer once more with the other sign, so that a norm's mean is 0 and its variance 1/2.
_UNIT = _ROW_LENGTH / _COLOUR_LENGTH * float(np.sqrt(2))


def transformer() -> dict[str, Array]:
    """Names as in the files that are published, without a prefix."""
    h = HIDDEN
    ones = {"query_norm.scale": np.ones(HEAD), "key_norm.scale": np.ones(HEAD)}
    tensors = {
        **zeros("img_in", h, PATCH),
        **zeros("txt_in", h, CONTEXT),
        **linear("time_in.in_layer", h, 256),
        **linear("time_in.out_layer", h, h),
        "txt_norm.scale": np.ones(CONTEXT),
        **zeros("final_layer.linear", PATCH, h),
        **zeros("final_layer.adaLN_modulation.1", 2 * h, h),
    }
    for kind in ("img", "txt"):
        at = f"double_blocks.0.{kind}"
        tensors |= zeros(f"{at}_mod.lin", 6 * h, h)
        tensors |= zeros(f"{at}_attn.qkv", 3 * h, h)
        tensors |= zeros(f"{at}_attn.proj", h, h)
        tensors |= {f"{at}_attn.norm.{name}": values for name, values in ones.items()}
        tensors |= linear(f"{at}_mlp.gate_proj", 4 * h, h)
        tensors |= linear(f"{at}_mlp.up_proj", 4 * h, h)
        tensors |= linear(f"{at}_mlp.down_proj", h, 4 * h)
    at = "single_blocks.0"
    tensors |= linear(f"{at}.linear1", 3 * h + 8 * h, h)
    tensors |= linear(f"{at}.linear2", h, h + 4 * h)
    tensors |= zeros(f"{at}.modulation.lin", 3 * h, h)
    tensors |= {f"{at}.norm.{name}": values for name, values in ones.items()}
    _write_flow(tensors)
    _write_attention(tensors)
    return tensors


def _write_flow(tensors: dict[str, Array]) -> None:
    """The last layer gives FLOW times the first half of an image token, which begins as latents."""
    entry, constants = tensors["img_in.weight"], tensors["img_in.bias"]
    entry[range(PATCH), range(PATCH)] = 1
    constants[PATCH : PATCH + PATCH // 2] = CONSTANT
    constants[PATCH + PATCH // 2 :] = -CONSTANT
    deviation = CONSTANT / np.sqrt(2)
    last = tensors["final_layer.linear.weight"]
    last[range(PATCH), range(PATCH)] = FLOW * deviation
    last[:, PATCH:] = -FLOW * deviation / PATCH


def _write_attention(tensors: dict[str, Array]) -> None:
    """An image token loses the colour of the text. The first dimensions of queries and keys are not
    turned by position."""
    h, at = HIDDEN, "double_blocks.0"
    for sign, first in ((1, 0), (-1, 64)):
        tensors["txt_in.weight"][range(first, first + CONTEXT), range(CONTEXT)] = sign
    query, key, value = 0, h, 2 * h
    of_image, of_text = (tensors[f"{at}.{kind}_attn.qkv.bias"] for kind in ("img", "txt"))
    of_image[query] = 1
    of_image[key + 1] = of_text[key + 1] = 1
    made_of = tensors[f"{at}.txt_attn.qkv.weight"]
    made_of[key, 3] = 4
    made_of[range(value, value + 3), range(3)] = 1 / _UNIT
    tensors[f"{at}.img_attn.norm.query_norm.scale"] = np.full(HEAD, 1.5)
    tensors[f"{at}.img_attn.proj.weight"][:PATCH] = -_spread()
    tensors[f"{at}.img_mod.lin.bias"][2 * h : 3 * h] = 1


def _spread() -> Array:
    """From red, green and blue to the latents of an image token; the last channel has no colour."""
    spread = _zeros(PATCH, HEAD)
    for at in range(4 * (LATENT_CHANNELS - 1)):
        spread[at, at // 4 % 3] = 1
    return spread


def text_encoder() -> dict[str, Array]:
    """Gives embeddings as they are. The number of heads and the vocabulary are fixed upstream."""
    c, at = CONTEXT, "model.layers.0"
    embeddings = random(VOCABULARY, c, scale=1.0)
    embeddings[:, :8] = 0
    for token, rgb in COLOURS.items():
        colour = colour_latents(rgb)
        embeddings[token] = 0
        embeddings[token, :3] = colour
        embeddings[token, 3] = MARK
        embeddings[token, 4] = np.sqrt(3 - (colour**2).sum())
    return {
        "model.embed_tokens.weight": embeddings,
        "model.norm.weight": np.ones(c),
        f"{at}.input_layernorm.weight": np.ones(c),
        f"{at}.post_attention_layernorm.weight": np.ones(c),
        f"{at}.self_attn.q_proj.weight": random(Q_HEADS * HEAD, c),
        f"{at}.self_attn.k_proj.weight": random(KV_HEADS * HEAD, c),
        f"{at}.self_attn.v_proj.weight": random(KV_HEADS * HEAD, c),
        f"{at}.self_attn.o_proj.weight": _zeros(c, Q_HEADS * HEAD),
        f"{at}.self_attn.q_norm.weight": np.ones(HEAD),
        f"{at}.self_attn.k_norm.weight": np.ones(HEAD),
        f"{at}.mlp.gate_proj.weight": random(2 * c, c),
        f"{at}.mlp.up_proj.weight": random(2 * c, c),
        f"{at}.mlp.down_proj.weight": _zeros(c, 2 * c),
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
    """Exchanges red and blue where the attention's colour enters the image tokens."""
    at = "diffusion_model.double_blocks.0.img_attn.proj"
    blue_less_red = _zeros(1, HEAD)
    blue_less_red[0, [0, 2]] = -1, 1
    up = _zeros(HIDDEN, 1)
    up[:PATCH] = -_spread() @ -blue_less_red.T
    return {f"{at}.lora_A.weight": blue_less_red, f"{at}.lora_B.weight": up}
