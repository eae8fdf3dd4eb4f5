"""Options of image models; rows of option_table, and what does not go with them."""

from __future__ import annotations

from llamabox.image_config import MAX_SIDE, MIN_SIDE, SIDE_MULTIPLE
from llamabox.image_names import SAMPLERS, SCHEDULES
from llamabox.option_values import Value, choice, integer, path, real
from llamabox.options import Assign, Effect, Group, Option, Store

_MAX_STEPS = 150
_MAX_LAYER = 512

TEXT_ONLY = (
    "encoder.rerank",
    "adapters.control_vectors",
    "placement.override_kv",
    "placement.override_tensor",
    "placement.split_mode",
    "placement.main_gpu",
    "placement.numa",
    "threads.cpu_mask",
    "threads.cpu_range",
    "model.use_mlock",
)
"""Fields whose options would be followed for a text model and cannot be for an image model."""


def _image(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.IMAGES, help_text, effect, default)


def _side() -> Value:
    parse_number = integer(MIN_SIDE, MAX_SIDE).parse

    def parse(text: str) -> object:
        number = parse_number(text)
        if not isinstance(number, int) or number % SIDE_MULTIPLE:
            raise ValueError(text)
        return number

    allowed = f"a multiple of {SIDE_MULTIPLE} from {MIN_SIDE} to {MAX_SIDE}"
    return Value("N", allowed, parse)


def _layers() -> Value:
    parse_number = integer(0, _MAX_LAYER).parse

    def parse(text: str) -> object:
        return tuple(parse_number(word) for word in text.split(";"))

    return Value("N", f"numbers of layers from 0 to {_MAX_LAYER}, such as 7;8;9", parse)


def _file(option: str, what: str) -> Option:
    target = "images." + option.removeprefix("--image-").replace("-", "_")
    return _image(option, what, Store(target, path()), "part of --model, or none")


_OF_FAMILY = "as the model's family has it"

IMAGE_OPTIONS: tuple[Option, ...] = (
    _image("--image-max-batch", "Most images of one request",
           Store("images.max_batch", integer(1, 64))),
    _image("--image-max-height", "Greatest height of an image, in pixels",
           Store("images.max_height", _side())),
    _image("--image-max-width", "Greatest width of an image, in pixels",
           Store("images.max_width", _side())),
    _image("--image-guidance", "Guidance of distilled models",
           Store("images.guidance", real(0, 100))),
    _image("--image-strength", "How much of the initial image is painted anew, 0 to 1",
           Store("images.strength", real(0, 1)), _OF_FAMILY),
    _image("--image-sample-method --image-sampler", "Sampler: " + ", ".join(SAMPLERS),
           Store("images.sampler", choice(SAMPLERS)), _OF_FAMILY),
    _image("--image-sampling-steps --image-sample-steps", "Steps of an image; 2 more for hd",
           Store("images.steps", integer(1, _MAX_STEPS)), _OF_FAMILY),
    _image("--image-cfg-scale", "Scale of classifier-free guidance; 1 = none",
           Store("images.cfg_scale", real(1, 100)), _OF_FAMILY),
    _image("--image-slg-scale", "Scale of skip-layer guidance, for diffusion transformers; 0 = off",
           Store("images.slg_scale", real(0, 100))),
    _image("--image-skip-layer --image-slg-skip-layer", "Layers that it skips; may be repeated",
           Store("images.slg_skip_layers", _layers(), repeats=True), "7;8;9"),
    _image("--image-slg-start", "Share of the steps at which it begins",
           Store("images.slg_start", real(0, 1))),
    _image("--image-slg-end", "Share of the steps at which it ends",
           Store("images.slg_end", real(0, 1))),
    _image("--image-schedule-method --image-schedule", "Schedule of noise: " + ", ".join(SCHEDULES),
           Store("images.schedule", choice(SCHEDULES))),
    _image("--image-no-text-encoder-model-offload", "Keep the text encoders on the CPU",
           Assign("images.text_encoder_offload", False)),
    _file("--image-clip-l-model", "Text encoder CLIP-L"),
    _file("--image-clip-g-model", "Text encoder CLIP-G"),
    _file("--image-t5xxl-model", "Text encoder T5-XXL"),
    _file("--image-llm-model", "Text encoder that is a language model"),
    _image("--image-no-vae-model-offload", "Keep the VAE on the CPU",
           Assign("images.vae_offload", False)),
    _file("--image-vae-model", "VAE, which decodes the image"),
    _image("--image-vae-tiling", "Decode in tiles, for less memory",
           Assign("images.vae_tiling", True)),
    _image("--image-no-vae-tiling", "Decode in one piece", Assign("images.vae_tiling", False)),
    _file("--image-taesd-model", "Tiny autoencoder, which decodes instead of the VAE"),
    _file("--image-upscale-model", "Upscaler (ESRGAN) of finished images"),
    _image("--image-upscale-repeats", "How often it runs",
           Store("images.upscale_repeats", integer(1, 4))),
    _image("--image-no-control-net-model-offload", "Keep the ControlNet on the CPU",
           Assign("images.control_net_offload", False)),
    _file("--image-control-net-model", "ControlNet"),
    _image("--image-control-strength", "How strongly it is followed, 0 to 1",
           Store("images.control_strength", real(0, 1))),
    _image("--image-control-canny", "Reduce its hint to edges first",
           Assign("images.control_canny", True)),
    _image("--image-free-compute-memory-immediately",
           "Without effect: each stage frees its memory when it is done",
           Assign("images.free_compute_memory", True)),
)  # fmt: skip
