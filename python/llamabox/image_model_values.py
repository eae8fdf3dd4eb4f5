"""Which files and devices an image model is made of, from the settings; plain values."""

from __future__ import annotations

from typing import Any

from llamabox.config import ServerConfig


def image_files(config: ServerConfig) -> dict[str, str]:
    """The path of each part; an empty one is not given."""
    images = config.images
    given = {
        "model": config.model.path,
        "clip_l": images.clip_l_model,
        "clip_g": images.clip_g_model,
        "t5xxl": images.t5xxl_model,
        "llm": images.llm_model,
        "vae": images.vae_model,
        "taesd": images.taesd_model,
        "control_net": images.control_net_model,
        "upscaler": images.upscale_model,
    }
    return {part: path or "" for part, path in given.items()}


def image_placement(config: ServerConfig) -> dict[str, Any]:
    """Which devices compute."""
    images, placement = config.images, config.placement
    return {
        "use_gpus": config.model.n_gpu_layers != 0 and placement.devices != (),
        "devices": list(placement.devices or ()),
        "tensor_split": list(placement.tensor_split),
        "text_encoder_on_host": not images.text_encoder_offload,
        "vae_on_host": not images.vae_offload,
        "control_net_on_host": not images.control_net_offload,
    }


def image_compute(config: ServerConfig) -> dict[str, Any]:
    """How it computes."""
    return {
        "n_threads": config.engine.n_threads or 0,
        "upscale_repeats": config.images.upscale_repeats,
        "vae_tiling": config.images.vae_tiling,
        "flash_attn": config.engine.flash_attn is True,
        "use_mmap": config.model.use_mmap,
        "warmup": config.model.warmup,
    }
