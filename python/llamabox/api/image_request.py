"""From the fields of a request to what the core takes: defaults of the family, of the command line,
and what quality and style mean."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from llamabox.api.checks import refuse
from llamabox.api.schema import Values
from llamabox.errors import UnsupportedError
from llamabox.image_config import DEFAULT_SIDE, ImageConfig
from llamabox.image_names import family_defaults
from llamabox.picture import Output, Size, alpha_mask, mask_bytes, open_picture, rgb_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

    from llamabox import _core
    from llamabox.config import ServerConfig
    from llamabox.image_engine import ImageEngine

_HD_STEPS = 2
_AVOIDED_BY_HD = "low quality"
_AVOIDED_BY_STYLE = {"vivid": "not vivid", "natural": "unnatural"}
_DEFAULT_CHUNK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ImageReply:
    """How the images of one request are told."""

    model: str
    created: int  # Unix seconds
    stream: bool
    n: int
    include_usage: bool = True
    # Characters of a part of a streamed image; 0 is the image in one piece.
    chunk_size: int = 0
    output: Output = field(default_factory=Output)
    # What an image was made from, for its text chunk, by its index.
    parameters: Callable[[int], str] = str

    def output_of(self, index: int) -> Output:
        """How image ``index`` is written."""
        return Output(self.output.format, self.output.quality, self.parameters(index))


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One client's call, ready to run."""

    request: _core.ImageRequest
    reply: ImageReply


def build_job(engine: ImageEngine, config: ServerConfig, values: Values) -> ImageJob:
    """Read the pictures and complete the fields. Raises InvalidArgumentError."""
    images, defaults = config.images, family_defaults(engine.info.family)
    choice, stream = values["choice"], _stream_options(values["stream"])
    size = _size(choice.get("size"), images)
    wanted: dict[str, Any] = {
        "n": 1,
        "seed": config.sampling.seed,
        "negative_prompt": "",
        "sampler": _or(images.sampler, defaults.sampler),
        "steps": _or(images.steps, defaults.steps),
        "schedule": images.schedule,
        "cfg_scale": _or(images.cfg_scale, defaults.cfg_scale),
        "guidance": images.guidance,
        "strength": _or(images.strength, defaults.strength),
        "control_strength": images.control_strength,
        "control_canny": images.control_canny,
    }
    if choice.get("quality") == "hd":
        wanted["steps"] += _HD_STEPS
    wanted.update(values["image"])
    if wanted["n"] > images.max_batch:
        refuse("n", f"is {wanted['n']}; it must be 1 to {images.max_batch}")
    if "strength" in values["image"] and _follows(engine):
        raise UnsupportedError(
            "strength is for models that start from the picture; those of the family"
            f" {engine.info.family} follow it and draw all anew",
            "strength",
        )
    if wanted["seed"] is None:
        wanted["seed"] = secrets.randbits(32)
    wanted["negative_prompt"] = _avoided(wanted["negative_prompt"], choice)
    loras = choice.get("loras", list(enumerate(engine.lora_scales)))
    core = engine.core
    request = core.ImageRequest(
        width=size[0],
        height=size[1],
        skip_layers=_skip_layers(engine, images, values["slg"]),
        loras=[core.ImageLora(id=at, scale=scale) for at, scale in loras],
        preview=getattr(core.Preview, stream["preview"]),
        **wanted,
        **_pictures(engine, values.get("files", {}), size),
    )
    reply = ImageReply(
        model=values["reply"].get("model", config.model.alias or "model"),
        created=int(time.time()),
        stream=values["reply"].get("stream", False),
        n=wanted["n"],
        include_usage=stream["include_usage"],
        chunk_size=stream["chunk_size"] if stream["chunk_result"] else 0,
        output=Output(**values["output"]),
        parameters=partial(_parameters, wanted, size, config.model.alias or "model"),
    )
    return ImageJob(request, reply)


def _follows(engine: ImageEngine) -> bool:
    """Whether a picture is looked at, instead of painted over."""
    return engine.info.edits and not engine.info.inpaints


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _size(asked: Size | None, images: ImageConfig) -> Size:
    if asked is None:
        return min(DEFAULT_SIDE, images.max_width), min(DEFAULT_SIDE, images.max_height)
    if asked[0] > images.max_width or asked[1] > images.max_height:
        refuse(
            "size",
            f"is {asked[0]}x{asked[1]}; at most {images.max_width}x{images.max_height} is made",
        )
    return asked


def _stream_options(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a stream: one object in JSON, one field each in a form."""
    options: dict[str, Any] = {
        "include_usage": True,
        "chunk_result": False,
        "chunk_size": _DEFAULT_CHUNK_BYTES,
        "preview": None,
        "preview_faster": False,
    }
    options.update(given.get("options", given))
    options["preview"] = options["preview"] or ("FAST" if options["preview_faster"] else "NONE")
    return options


def _avoided(negative_prompt: str, choice: dict[str, Any]) -> str:
    words = [negative_prompt] if negative_prompt else []
    if choice.get("quality") == "hd":
        words.append(_AVOIDED_BY_HD)
    if "style" in choice:
        words.append(_AVOIDED_BY_STYLE[choice["style"]])
    return ", ".join(words)


def _skip_layers(
    engine: ImageEngine, images: ImageConfig, given: dict[str, Any]
) -> _core.SkipLayers:
    # The command line may say it of any model; a request must not, of one that has none.
    fields = {
        "scale": images.slg_scale if engine.info.is_dit else 0.0,
        "layers": list(images.slg_skip_layers),
        "start": images.slg_start,
        "end": images.slg_end,
    }
    return engine.core.SkipLayers(**{**fields, **given})


def _pictures(engine: ImageEngine, files: dict[str, Any], size: Size) -> dict[str, Any]:
    if "image" not in files:
        return {}

    def colours(picture: Image) -> _core.Pixels:
        return engine.core.Pixels(size[0], size[1], 3, rgb_bytes(picture, size))

    first, *others = files["image"]
    picture = open_picture(first, "image")
    found: dict[str, Any] = {"init": colours(picture)}
    found["others"] = [colours(open_picture(other, "image")) for other in others]
    mask = None if _follows(engine) else alpha_mask(picture)
    if "mask" in files:
        mask = open_picture(files["mask"], "mask")
    if mask is not None:
        found["mask"] = engine.core.Pixels(size[0], size[1], 1, mask_bytes(mask, size))
    if "control" in files:
        found["control"] = colours(open_picture(files["control"], "control"))
    return found


def _parameters(wanted: dict[str, Any], size: Size, model: str, index: int) -> str:
    """What the image was made from, as Stable Diffusion web UI writes it and viewers read it."""
    lines = [wanted["prompt"]]
    if wanted["negative_prompt"]:
        lines.append("Negative prompt: " + wanted["negative_prompt"])
    lines.append(
        f"Steps: {wanted['steps']}, Sampler: {wanted['sampler']},"
        f" Schedule type: {wanted['schedule']}, CFG scale: {wanted['cfg_scale']:g},"
        f" Guidance: {wanted['guidance']:g}, Seed: {wanted['seed'] + index},"
        f" Size: {size[0]}x{size[1]}, Model: {model}, RNG: cuda, Version: llamabox"
    )
    return "\n".join(lines)
