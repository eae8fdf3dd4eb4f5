"""Options of image models: what is refused, and what does not go with --images."""

from __future__ import annotations

import pytest

from llamabox.cli import _with_model as complete
from llamabox.image_options import TEXT_ONLY
from llamabox.option_parser import UsageError, parse
from llamabox.option_table import OPTIONS
from llamabox.options import Assign, Store, Words


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--image-max-batch", ("0", "65", "x")),
        ("--image-max-height", ("0", "250", "192", "300", "8256", "512.5")),
        ("--image-max-width", ("-64", "320x320")),
        ("--image-guidance", ("-1", "nan")),
        ("--image-strength", ("-0.1", "1.1")),
        ("--image-sampler", ("eule", "")),
        ("--image-sample-steps", ("0", "151")),
        ("--image-cfg-scale", ("0.5",)),
        ("--image-slg-skip-layer", ("-1", "a")),
        ("--image-slg-end", ("2",)),
        ("--image-schedule", ("linear",)),
        ("--image-upscale-repeats", ("0", "5")),
        ("--image-control-strength", ("2",)),
        ("--image-vae-model", ("",)),
    ],
)
def test_values_that_are_refused(flag: str, words: tuple[str, ...]) -> None:
    for word in words:
        with pytest.raises(UsageError, match=f"^{flag}: "):
            parse([f"{flag}={word}"])


_GIVEN = {
    "encoder.rerank": ["--rerank"],
    "adapters.control_vectors": ["--control-vector", "c.gguf"],
    "placement.override_kv": ["--override-kv", "a=int:1"],
    "placement.override_tensor": ["-ot", "a=CPU"],
    "placement.split_mode": ["-sm", "row"],
    "placement.main_gpu": ["-mg", "0"],
    "placement.numa": ["--numa", "distribute"],
    "threads.cpu_mask": ["-C", "3"],
    "threads.cpu_range": ["-Cr", "0-1"],
    "model.use_mlock": ["--mlock"],
}


@pytest.mark.parametrize("target", TEXT_ONLY)
def test_what_cannot_be_followed_is_refused_by_name(target: str) -> None:
    words = _GIVEN[target]
    parse(words)
    with pytest.raises(UsageError, match=f"^{words[0]}: not allowed with --images"):
        parse(["--images", *words])


def test_the_usual_launch_of_a_cluster_manager_is_taken() -> None:
    words = (
        "--host 0.0.0.0 --embeddings --gpu-layers 99 --parallel 2 --ctx-size 8192 --port 1"
        " --model m.gguf --alias m --no-mmap --no-warmup --tensor-split 1,1 --rpc h:1"
        " --images --image-vae-tiling --image-no-text-encoder-model-offload"
    )
    config = parse(words.split()).config
    assert config.images.enabled and config.images.vae_tiling
    assert not config.images.text_encoder_offload
    assert config.placement.tensor_split == (1, 1)


def test_images_need_a_model() -> None:
    with pytest.raises(UsageError, match=r"^--images needs --model: the built-in demo model"):
        complete(parse(["--images"]))
    assert complete(parse(["--images", "-m", "m.gguf"])).images.enabled


def test_layers_add_up_and_take_the_place_of_the_defaults() -> None:
    words = ["--image-slg-skip-layer", "1", "--image-skip-layer=2;3"]
    assert parse(words).config.images.slg_skip_layers == (1, 2, 3)


def test_each_field_has_an_option() -> None:
    targets = {o.effect.target for o in OPTIONS if isinstance(o.effect, Store | Words | Assign)}
    fields = {f"images.{name}" for name in parse([]).config.images.__dataclass_fields__}
    assert fields <= targets
