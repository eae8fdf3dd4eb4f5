"""Settings of image models; a group of ``config.ServerConfig``.

``None`` is what the model's family has (``image_names``), or a file that is not given.
"""

from __future__ import annotations

from dataclasses import dataclass

SIDE_MULTIPLE = 64
MIN_SIDE = 256
MAX_SIDE = 8192
DEFAULT_SIDE = 512


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How images are made; sizes are pixels."""

    # Whether this server makes images, and nothing else.
    enabled: bool = False
    # Images of one request.
    max_batch: int = 4
    max_height: int = 1024
    max_width: int = 1024
    guidance: float = 3.5
    strength: float | None = None
    sampler: str | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    # 0 is off.
    slg_scale: float = 0.0
    slg_skip_layers: tuple[int, ...] = (7, 8, 9)
    # As shares of the steps.
    slg_start: float = 0.01
    slg_end: float = 0.2
    schedule: str = "discrete"
    # Whether the part goes to a GPU.
    text_encoder_offload: bool = True
    vae_offload: bool = True
    control_net_offload: bool = True
    clip_l_model: str | None = None
    clip_g_model: str | None = None
    t5xxl_model: str | None = None
    llm_model: str | None = None
    vae_model: str | None = None
    # Decodes instead of the VAE.
    taesd_model: str | None = None
    vae_tiling: bool = False
    upscale_model: str | None = None
    upscale_repeats: int = 1
    control_net_model: str | None = None
    control_strength: float = 0.9
    control_canny: bool = False
    # Read and not used: each stage frees its memory when it is done.
    free_compute_memory: bool = False
