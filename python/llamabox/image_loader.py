"""Turns the settings into a loaded image model and its engine."""

from __future__ import annotations

from llamabox import _core
from llamabox.config import ServerConfig
from llamabox.errors import UnsupportedError
from llamabox.host_memory import available_bytes
from llamabox.image_engine import ImageEngine
from llamabox.image_model_values import image_compute, image_files, image_placement


def load_image_engine(config: ServerConfig) -> ImageEngine:
    """Load the model; takes seconds to minutes and lets other threads run.

    Raises UnsupportedError, LoadFailedError or InvalidArgumentError with one sentence for the user.
    """
    if not _core.has_images():
        raise UnsupportedError("--images: this build makes no images (LLAMABOX_IMAGES was off)")
    model = _core.load_image_model(image_model_params(config))
    params = _core.ImageEngineParams(n_slots=config.engine.n_slots, n_queue=config.engine.max_queue)
    return ImageEngine(_core, _core.ImageEngine(model, params))


def image_model_params(config: ServerConfig) -> _core.ImageModelParams:
    """The settings as the core takes them."""
    weight = 1.0 if config.adapters.apply_loras else 0.0
    return _core.ImageModelParams(
        files=_core.ImageFiles(**image_files(config)),
        placement=_core.ImageDevices(**image_placement(config)),
        loras=[
            _core.ImageLoraInfo(path=path, scale=scale * weight)
            for path, scale in config.adapters.loras
        ],
        n_memory_bytes=available_bytes(),
        **image_compute(config),
    )
