#!/usr/bin/env python3
"""Records the pictures that upstream's own sd-cli makes, whose pixels ours must equal.

    ninja -C build/bench sd-cli     # of a tree configured as bench/README.md says
    python tools/make_image_golden.py [--tool build/bench/bin/sd-cli] [--check] [CASE ...]

The tool is built from the same pinned tree as published, without our patches and hooks, on the same
ggml. The models are those of tests/models: the tiny one, and whole ones of the family SD1 with
random weights (some gigabytes in a temporary folder). For each case there is one PNG in
tests/golden/images-<pin>/; facts.json says on which processor, since another one may round
otherwise.

--check compares the files with the tool instead of writing them; exit 1 on a difference.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PIN = "0.4.7"
FOLDER = ROOT / "tests" / "golden" / f"images-{PIN}"
SIDE = 64
_TIMEOUT_S = 240
# What decides how ggml's kernels round.
_CPU_FLAGS = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_bf16", "avx512_vnni")


@dataclass(frozen=True, slots=True)
class Case:
    """One picture. ``fields`` are those of the core's request beyond ``DEFAULTS``."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    # Which pictures go with it: "init", "mask", "control".
    pictures: tuple[str, ...] = ()
    # The scale of the tiny model's adapter.
    adapter: float = 0.0
    # Which files the model is made of; a key of _FILES.
    model: str = "tiny"

    def asked(self) -> dict[str, Any]:
        """All fields of the request, as the core names them."""
        return {**DEFAULTS, **self.fields}


DEFAULTS = {
    "prompt": "a red house",
    "negative_prompt": "",
    "seed": 7,
    "steps": 4,
    "sampler": "euler",
    "schedule": "discrete",
    "cfg_scale": 1.0,
    "strength": 0.75,
    "control_strength": 0.9,
}

CASES = (
    Case("text"),
    Case("seed", {"seed": 12345, "steps": 2}),
    Case("guided", {"cfg_scale": 4.5, "negative_prompt": "green"}),
    Case("ancestral", {"sampler": "euler_a"}),
    Case("heun-karras", {"sampler": "heun", "schedule": "karras"}),
    Case("picture", {"strength": 0.6}, ("init",)),
    Case("mask", {"strength": 1.0}, ("init", "mask")),
    Case("adapter", adapter=0.75),
    Case("upscaled", model="upscaling"),
)

_TWO = {"steps": 2, "cfg_scale": 3.0}
UNET_CASES = (
    Case("unet-text", {**_TWO, "negative_prompt": "a tree"}, model="sd1"),
    Case("unet-ancestral", {"sampler": "euler_a", "schedule": "ays"}, model="sd1"),
    Case("unet-picture", {**_TWO, "strength": 0.6}, ("init",), model="sd1"),
    Case("unet-mask", {**_TWO, "strength": 1.0}, ("init", "mask"), model="sd1"),
    Case("unet-control", _TWO, ("control",), model="control"),
    Case("unet-canny", {**_TWO, "control_canny": True, "control_strength": 0.5}, ("control",),
         model="control"),
    Case("unet-inpaint", {**_TWO, "strength": 1.0}, ("init", "mask"), model="inpaint"),
    Case("unet-inpaint-all", {**_TWO, "strength": 0.6}, ("init",), model="inpaint"),
)  # fmt: skip

# The tool's words for the files, by what makes them call it.
_TINY = {"--diffusion-model": "model", "--llm": "llm", "--taesd": "taesd"}
_FILES = {
    "tiny": _TINY,
    "upscaling": {**_TINY, "--upscale-model": "upscaler"},
    "sd1": {"-m": "sd1"},
    "control": {"-m": "sd1", "--control-net": "control"},
    "inpaint": {"-m": "inpaint"},
}
_WORDS = {
    "prompt": "-p",
    "negative_prompt": "-n",
    "seed": "-s",
    "steps": "--steps",
    "sampler": "--sampling-method",
    "schedule": "--scheduler",
    "cfg_scale": "--cfg-scale",
    "strength": "--strength",
    "control_strength": "--control-strength",
    "init": "-i",
    "mask": "--mask",
    "control": "--control-image",
}


def picture(side: int = SIDE) -> Image.Image:
    """What is changed: squares of many colours, each of them whole for the autoencoder."""
    n = side // 8
    shades = [255 * at // n for at in range(n)]
    small = bytes(value for y in shades for x in shades for value in (x, y, x * y // 255))
    return Image.frombytes("RGB", (n, n), small).resize((side, side), Image.Resampling.NEAREST)


def mask(side: int = SIDE) -> Image.Image:
    """White, which is painted anew, on the right."""
    made = Image.new("L", (side, side))
    made.paste(255, (side // 2, 0, side, side))
    return made


PICTURES = {"init": picture, "mask": mask, "control": picture}


def png_of(image: Image.Image) -> bytes:
    """As a file."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def processor() -> list[str]:
    """The features of this machine's processor that matter."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    return [flag for flag in _CPU_FLAGS if flag in flags]


def command(tool: Path, files: dict[str, Path], case: Case, work: Path) -> list[str]:
    """The words that make the tool write ``work``/out.png."""
    words = [str(tool), "-W", str(SIDE), "-H", str(SIDE), "-t", "1", "-o", str(work / "out.png")]
    for word, part in _FILES[case.model].items():
        words += [word, str(files[part])]
    asked = case.asked()
    if asked.pop("control_canny", False):
        words += ["--canny"]
    if case.adapter:
        words += ["--lora-model-dir", str(files["lora"].parent), "--lora-apply-mode", "at_runtime"]
        asked["prompt"] += f"<lora:{files['lora'].stem}:{case.adapter}>"
    for kind in case.pictures:
        path = work / f"{kind}.png"
        path.write_bytes(png_of(PICTURES[kind]()))
        asked[kind] = path
    for name, value in asked.items():
        words += [_WORDS[name], str(value)]
    return words


def made_by_tool(tool: Path, files: dict[str, Path], case: Case, work: Path) -> Image.Image:
    """The tool's picture."""
    words = command(tool, files, case, work)
    ended = subprocess.run(words, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(words)}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return Image.open(work / "out.png").convert("RGB")


def golden(case: Case) -> Image.Image:
    """What the tool made of it. Raises FileNotFoundError."""
    return Image.open(FOLDER / f"{case.name}.png").convert("RGB")


def make_files(folder: Path, cases: list[Case]) -> dict[str, Path]:
    """The models' files that these cases need, by their part."""
    sys.path.append(str(ROOT / "tests" / "models"))
    from make_image_model import make_image_model
    from make_unet_model import FILES, make_unet_model

    wanted = {part for case in cases for part in _FILES[case.model].values()} & FILES.keys()
    return make_image_model(folder) | make_unet_model(folder, wanted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all without one")
    parser.add_argument("--tool", type=Path, default=ROOT / "build/bench/bin/sd-cli")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    known = (*CASES, *UNET_CASES)
    cases = [case for case in known if not options.cases or case.name in options.cases]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = make_files(work, cases)
        for case in cases:
            made = made_by_tool(options.tool, files, case, work)
            if options.check and golden(case).tobytes() != made.tobytes():
                wrong.append(case.name)
            elif not options.check:
                FOLDER.mkdir(parents=True, exist_ok=True)
                (FOLDER / f"{case.name}.png").write_bytes(png_of(made))
            print(case.name, "differs" if case.name in wrong else "ok", flush=True)
    if not options.check:
        facts = {"tool": f"sd-cli of stable-diffusion-cpp-python {PIN}", "cpu": processor()}
        (FOLDER / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
