"""What each option of image models stores; part of option_cases."""

from __future__ import annotations

from typing import Any

_FILES = ("clip-l", "clip-g", "t5xxl", "llm", "vae", "taesd", "upscale", "control-net")

STORED: dict[str, list[tuple[str, str, Any]]] = {
    "--image-max-batch": [("1", "images.max_batch", 1), ("64", "images.max_batch", 64)],
    "--image-max-height": [("256", "images.max_height", 256), ("2048", "images.max_height", 2048)],
    "--image-max-width": [("320", "images.max_width", 320)],
    "--image-guidance": [("4.5", "images.guidance", 4.5)],
    "--image-strength": [("0", "images.strength", 0), ("1", "images.strength", 1)],
    "--image-sample-method": [("dpm++2m", "images.sampler", "dpm++2m")],
    "--image-sampling-steps": [("150", "images.steps", 150)],
    "--image-cfg-scale": [("1", "images.cfg_scale", 1)],
    "--image-slg-scale": [("2.5", "images.slg_scale", 2.5)],
    "--image-skip-layer": [
        ("3", "images.slg_skip_layers", (3,)),
        ("1;2", "images.slg_skip_layers", (1, 2)),
    ],
    "--image-slg-start": [("0.1", "images.slg_start", 0.1)],
    "--image-slg-end": [("0.5", "images.slg_end", 0.5)],
    "--image-schedule-method": [("karras", "images.schedule", "karras")],
    "--image-upscale-repeats": [("2", "images.upscale_repeats", 2)],
    "--image-control-strength": [("0.5", "images.control_strength", 0.5)],
    **{
        f"--image-{part}-model": [
            ("a b.gguf", f"images.{part.replace('-', '_')}_model", "a b.gguf")
        ]
        for part in _FILES
    },
}

ASSIGNED: dict[str, tuple[str, Any]] = {
    "--images": ("images.enabled", True),
    "--image-no-text-encoder-model-offload": ("images.text_encoder_offload", False),
    "--image-no-vae-model-offload": ("images.vae_offload", False),
    "--image-vae-tiling": ("images.vae_tiling", True),
    "--image-no-vae-tiling": ("images.vae_tiling", False),
    "--image-no-control-net-model-offload": ("images.control_net_offload", False),
    "--image-control-canny": ("images.control_canny", True),
    "--image-free-compute-memory-immediately": ("images.free_compute_memory", True),
}
